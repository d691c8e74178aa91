import { expect, test } from 'vitest';
import { serialiseOffer } from '../../../src/request/offer.ts';
import { markOf } from '../../../src/request/mask-mark.ts';
import { viewOf } from '../../../src/request/view.ts';
import { serialiseReceipt } from '../../../src/request/receipt.ts';
import { sampleOffer, sampleReceipt } from '../../support/sample-texts.ts';
import { newRequest, nthId, START } from '../../support/store-fixture.ts';

/** A moment at which both clocks say the same. */
const at = (time: number) => ({ wall: time, steady: time });

const request = (over = {}) => ({
  ...newRequest(nthId(1), { offer: undefined }),
  state: 'PENDING' as const,
  updatedAt: START,
  ...over,
});

test('what a host or a person wrote is shown without what cannot be seen, and without secrets', () => {
  const evil = '\u202eevil\u001b[2J\u0007 password=hunter2hunter2';
  const offer = { ...sampleOffer, argv: ['/usr/bin/true', evil] };
  const view = viewOf(
    request({
      offer: { text: serialiseOffer(offer), signature: 'c2ln' },
      rule: evil,
      decisionNote: evil,
    }),
    at(START),
  );
  const shown = `\\u{202e}evil\\u{7} password=${markOf('secret', 'hunter2hunter2')}`;
  expect(view).toMatchObject({ argv: ['/usr/bin/true', shown], rule: shown, decision_note: shown });
});

test('facts in a receipt are host text too', () => {
  const evidence = [{ diagnostic: 'd', fact: 'f', before: '\u202eevil', after: 'password=hunter2hunter2' }];
  const text = serialiseReceipt({ ...sampleReceipt, evidence });
  const view = viewOf(request({ receipt: { text, signature: 'c2ln' } }), at(START));
  expect(view.receipt?.evidence).toEqual([
    {
      diagnostic: 'd',
      fact: 'f',
      before: String.raw`\u{202e}evil`,
      after: `password=${markOf('secret', 'hunter2hunter2')}`,
    },
  ]);
  expect(view.receipt).not.toHaveProperty('hostKey');
});

test('the time that is left belongs to the state, and never is less than none', () => {
  expect(viewOf(request(), at(START)).seconds_left).toBe(300);
  expect(viewOf(request(), at(START + 299_001)).seconds_left).toBe(1);
  expect(viewOf(request(), at(START + 400_000)).seconds_left).toBe(0);
  const approved = request({ state: 'APPROVED', executeBy: START + 10_000 });
  expect(viewOf(approved, at(START)).seconds_left).toBe(10);
  expect(viewOf(request({ state: 'SUCCEEDED' }), at(START))).toMatchObject({
    seconds_left: null,
    terminal: true,
  });
});

test('who takes back without a word leaves no note', () => {
  expect(viewOf(request({ decisionNote: '' }), at(START)).decision_note).toBeNull();
  expect(viewOf(request({ decisionNote: 'no' }), at(START)).decision_note).toBe('no');
});
