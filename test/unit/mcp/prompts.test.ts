import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { symptoms } from '../../../src/messages/mcp-en.ts';

const ROOT = join(import.meta.dirname, '../../..');

test('the prompt triage-host can be asked about the symptoms that the catalog has a triage for, and no other', () => {
  const { triages } = loadCatalog([join(ROOT, 'catalog')], { targetScripts: join(ROOT, 'target-scripts') });
  expect(Object.keys(symptoms).toSorted()).toEqual([...triages.keys()].toSorted());
});
