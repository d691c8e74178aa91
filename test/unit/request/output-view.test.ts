import { array, assert, integer, property } from 'fast-check';
import { expect, test } from 'vitest';
import { OutputView } from '../../../src/request/output-view.ts';

const heard = (view: OutputView): { readonly said: string[]; readonly text: () => string } => {
  const said: string[] = [];
  view.listen((text) => said.push(text));
  return { said, text: () => said.join('') };
};
const KEY = [
  '-----BEGIN OPENSSH PRIVATE KEY-----',
  Buffer.alloc(52, 'not a key').toString('base64'),
  Buffer.alloc(52, 'nor this').toString('base64'),
  'short==',
  '-----END OPENSSH PRIVATE KEY-----',
].join('\n');

test('whole lines are told as they come, the rest at the end', () => {
  const view = new OutputView();
  const { said } = heard(view);
  view.push(Buffer.from('one\ntw'));
  view.push(Buffer.from('o\nthree'));
  expect(said).toEqual(['one\n', 'two\n']);
  view.end();
  expect(said).toEqual(['one\n', 'two\n', 'three']);
  expect(view.shown()).toEqual({ text: 'one\ntwo\nthree', truncated: false });
  expect(view.bytes).toBe(13);
});

test('a private key is told to nobody, however it is cut into pieces, and what follows it is', () => {
  assert(
    property(array(integer({ min: 1, max: 300 }), { maxLength: 8 }), (cuts) => {
      const bytes = Buffer.from(`before\n${KEY}\nafter\n`);
      const view = new OutputView();
      const { text } = heard(view);
      let at = 0;
      for (const cut of [...cuts].sort((a, b) => a - b)) {
        view.push(bytes.subarray(at, cut));
        at = Math.max(at, cut);
      }
      view.push(bytes.subarray(at));
      view.end();
      expect(text()).toMatch(/^before\n\[masked:private-key-[a-z2-7]{6}\]\n(?:\[masked\]\n){4}after\n$/u);
      expect(view.shown().text).toBe(text());
    }),
  );
});

test('a key without an end is told masked when the output ends', () => {
  const view = new OutputView();
  const { text } = heard(view);
  view.push(Buffer.from(`before\n${KEY.split('\n').slice(0, 3).join('\n')}\n`));
  expect(text()).toBe('before\n');
  view.end();
  expect(text()).toMatch(/^before\n\[masked:private-key-[a-z2-7]{6}\]\n(?:\[masked\]\n){2}$/u);
});

test('something that only begins like a key holds nothing back for ever', () => {
  const view = new OutputView();
  const { text } = heard(view);
  view.push(Buffer.from('-----BEGIN RSA PRIVATE KEY-----\n'));
  for (let line = 0; line < 700; line += 1)
    view.push(Buffer.from(`an ordinary line, number ${String(line)}\n`));
  view.push(Buffer.from('last\n'));
  expect(text()).toContain('last\n');
});

test('secrets and controls are masked in what is told and in what is shown', () => {
  const view = new OutputView();
  const { text } = heard(view);
  view.push(Buffer.from('password=hunter2 \u202e\u001b[31mx\u0007\n'));
  expect(text()).toMatch(/^password=\[masked:secret-[a-z2-7]{6}\] \\u\{202e\}x\\u\{7\}\n$/u);
  expect(view.shown().text).toBe(text());
});

test('whoever comes later hears what came so far; whoever comes back goes on where it stopped', () => {
  const view = new OutputView();
  view.push(Buffer.from('one\n'));
  const said: string[] = [];
  const listener = (text: string): void => void said.push(text);
  const stop = view.listen(listener);
  view.push(Buffer.from('two\n'));
  stop();
  view.push(Buffer.from('three\n'));
  expect(said).toEqual(['one\n', 'two\n']);
  view.listen(listener);
  view.push(Buffer.from('four\n'));
  expect(said).toEqual(['one\n', 'two\n', 'three\n', 'four\n']);
});

test('a listener that throws is dropped; the others hear on', () => {
  const view = new OutputView();
  view.listen(() => {
    throw new Error('deaf');
  });
  const { said } = heard(view);
  view.push(Buffer.from('one\n'));
  view.push(Buffer.from('two\n'));
  expect(said).toEqual(['one\n', 'two\n']);
});

test('a secret in a line without an end is told to nobody, wherever the line is cut', () => {
  const secrets = [
    '--password hunter2hunter2',
    'token=hunter2hunter2',
    'bob@hunter2.example',
    '"pw":"hunter2 hunter2"',
  ];
  for (const [nth, secret] of secrets.entries()) {
    // Around the byte that comes last before the line is cut, and around where it is cut to leave the last of it waiting.
    for (let before = 15_938 + nth; before < 17_005; before += before === 15_973 + nth ? 987 : 5) {
      const view = new OutputView();
      const { text } = heard(view);
      const line = `${'word '.repeat(3_500).slice(0, before)} ${secret} ${'and so on, '.repeat(400)}`;
      for (let at = 0; at < line.length; at += 1_000) view.push(Buffer.from(line.slice(at, at + 1_000)));
      view.end();
      expect(text()).not.toContain('hunter2');
      expect(text()).toContain('word word');
      expect(text().endsWith('and so on, ')).toBe(true);
    }
  }
});

test('what is kept has a size, in text that is still text; lines without an end are shown in pieces', () => {
  const view = new OutputView();
  for (let piece = 0; piece < 100; piece += 1) view.push(Buffer.from('\u{1f600}'.repeat(1_000)));
  view.end();
  const { text, truncated } = view.shown();
  expect(truncated).toBe(true);
  expect(text.length).toBeLessThanOrEqual(32_768);
  expect(text.length).toBeGreaterThan(32_000);
  expect(text.isWellFormed()).toBe(true);
});
