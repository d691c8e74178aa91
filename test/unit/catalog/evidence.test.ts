import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import type { Diagnostic } from '../../../src/catalog/types.ts';
import { evidenceOf } from '../../evidence.ts';

const root = join(import.meta.dirname, '../../..');
const { diagnostics, triages } = loadCatalog([join(root, 'catalog')], {
  targetScripts: join(root, 'target-scripts'),
});

test('every shipped diagnostic has the proof that its tier promises', () => {
  const unproven = evidenceOf({ diagnostics, triages }).filter(({ lacks }) => lacks.length > 0);
  expect(unproven.map(({ diagnostic, lacks }) => `${diagnostic}: ${lacks.join('; ')}`)).toEqual([]);
  expect(diagnostics.size).toBeGreaterThanOrEqual(80);
});

test('one without proof is named, with what it lacks', () => {
  const [some] = [...diagnostics.values()];
  if (some === undefined) throw new Error('an empty catalog');
  const of = (tier: Diagnostic['tier']): readonly string[] | undefined => {
    const { tier: _, ...rest } = some;
    const one: Diagnostic = { ...rest, name: 'nobody_tried', ...(tier === undefined ? {} : { tier }) };
    return evidenceOf({ diagnostics: new Map([[one.name, one]]), triages: new Map() })[0]?.lacks;
  };
  expect(of(1)).toHaveLength(3);
  expect(of(2)).toHaveLength(2);
  expect(of(3)).toHaveLength(1);
  expect(of(undefined)).toEqual(['its tier']);
  const [triage] = [...triages.values()];
  if (triage === undefined) throw new Error('no triage');
  const unheard = new Map([['unheard', { ...triage, symptom: 'unheard' }]]);
  expect(evidenceOf({ diagnostics: new Map(), triages: unheard })[0]?.lacks).toHaveLength(2);
});
