import { expect, test } from 'vitest';
import { ANCHORS, drawMoment, FLOWS, HEIRS, RARE_FLOWS, VICTIMS, type Anchor } from '../../crash/moments.ts';

const drawn = (seed: number, count: number) =>
  Array.from({ length: count }, (_, index) => drawMoment(seed, index));

test('a moment is the same each time it is drawn, with or without those before it', () => {
  const all = drawn(20_261_122, 50);
  expect(drawMoment(20_261_122, 49)).toEqual(all[49]);
  expect(drawn(20_261_122, 50)).toEqual(all);
  // Written down, so that a seed that somebody noted means the same tomorrow.
  expect(drawMoment(1, 0)).toMatchObject({ index: 0, flow: 'auto', victim: 'operator' });
});

test('another seed has other moments', () => {
  expect(drawn(1, 20)).not.toEqual(drawn(2, 20));
});

test('five hundred moments have every flow, victim and heir, and come at any time after each anchor', () => {
  const all = drawn(7, 500);
  for (const flow of FLOWS) expect(all.filter((one) => one.flow === flow).length).toBeGreaterThan(80);
  for (const flow of RARE_FLOWS) {
    const these = all.filter((one) => one.flow === flow);
    expect(these.length).toBeGreaterThan(10);
    expect(these.every(({ anchor }) => anchor === 'start')).toBe(true);
  }
  for (const victim of VICTIMS) expect(all.some((one) => one.victim === victim)).toBe(true);
  for (const heir of HEIRS) expect(all.filter((one) => one.heir === heir).length).toBeGreaterThan(200);
  for (const [anchor, longest] of Object.entries(ANCHORS) as [Anchor, number][])
    for (let quarter = 0; quarter < 4; quarter += 1) {
      const within = all.filter(
        (one) => one.anchor === anchor && Math.floor((one.ms * 4) / longest) === quarter,
      );
      expect(within.length).toBeGreaterThan(15);
    }
});
