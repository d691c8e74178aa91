import { expect, it } from 'vitest';
import { LEFT_OUT, presetNames, VENDORS, vendorTokens } from '../../../src/request/mask-vendors.ts';
import { mask } from '../../../src/request/mask.ts';
import { valuesFrom } from '../../bench/masking-corpus/values.ts';

const value = valuesFrom(1);

it('of each rule of the preset it is said whether it is used: an update with a new one fails here', () => {
  expect([...VENDORS, ...LEFT_OUT, 'preset-recommend'].toSorted()).toEqual(
    [...presetNames(), 'preset-recommend'].toSorted(),
  );
});

it('what a log says cannot switch the rules off', () => {
  const token = value('figma');
  expect(mask(`# secretlint-disable\nx ${token}\n`).text).toMatch(
    /^# secretlint-disable\nx \[masked:token-\w{6}\]\n$/u,
  );
});

it('all of a secret is found, also where the rule reports the range of something else', () => {
  const secret = value('b64of30');
  const text = `aws_secret_access_key = ${secret}`;
  expect(vendorTokens(text)).toEqual([{ at: text.indexOf(secret), secret }]);
  const npm = value('npm');
  const line = `//registry.example.net/:_authToken=${npm} # x`;
  expect(vendorTokens(line)).toEqual([{ at: line.indexOf(npm), secret: npm }]);
});

it('behind an escape too, in its place', () => {
  const token = value('groq');
  expect(vendorTokens(String.raw`a\n${token}\n`)).toEqual([{ at: 3, secret: token }]);
});

it('account numbers are no secret, and one token is found once', () => {
  expect(vendorTokens('aws_account_id = 1234-5678-9012')).toEqual([]);
  const token = value('figma');
  expect(vendorTokens(`${token} ${token}`).map(({ at }) => at)).toEqual([0, token.length + 1]);
});
