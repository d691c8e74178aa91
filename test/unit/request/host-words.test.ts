import { expect, test } from 'vitest';
import { cleanFacts, textOf } from '../../../src/request/host-words.ts';

const answer = (output: string) => ({
  sections: [{ name: 'out', output: Buffer.from(output), rc: 0, ms: 1, cut: false }],
});

test('what is masked in facts is counted, also in the rows of a table', () => {
  const { facts, redactions } = cleanFacts({
    mail: 'bob@example.com',
    count: 2,
    rows: [{ line: 'password=hunter2' }, { line: 'mail to bob@example.com' }],
  });
  expect(redactions).toBe(3);
  const said = JSON.stringify(facts);
  expect(said).not.toMatch(/hunter2|example\.com/u);
  const [one, other] = said.match(/email-[a-z2-7]{6}/gu) ?? [];
  expect(one).toBe(other);
});

/** Bytes of a text that are looked at. */
const MOST = 524_288;

test('a secret that the cap cuts in two is not shown in part', () => {
  const line = `${['gh', 'p_', 'aB3dE5gH7j'.repeat(4)].join('')}\n`;
  const filler = `${'x'.repeat(99)}\n`.repeat(MOST / 100 - 2);
  for (const cut of [5, 15, 25]) {
    const before = `${filler}${'y'.repeat(MOST - filler.length - 2 * line.length - cut - 1)}\n`;
    const { text, isCut } = textOf(answer(before + line.repeat(4)));
    expect(isCut).toBe(true);
    expect(text).not.toContain(line.slice(0, 4));
    expect(text.match(/\[masked:token-/gu)).toHaveLength(2);
  }
});

test('text within the cap stays whole, with an end of line or without; a line without an end is cut', () => {
  expect(textOf(answer('a\nb'))).toMatchObject({ text: 'a\nb', isCut: false });
  const longest = 'x'.repeat(MOST);
  expect(textOf(answer(longest))).toMatchObject({ text: longest, isCut: false });
  expect(textOf(answer(`${longest}y`))).toMatchObject({ text: longest, isCut: true });
});
