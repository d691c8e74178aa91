import type { Triage } from '../../src/catalog/types.ts';
import { listing } from '../../src/mcp/listing.ts';
import { lookReport } from '../../src/mcp/schemas.ts';

const TRIAGE: Triage = { symptom: 'any', title: 'Any', ask: [], next: 'Nothing.' };

/** The tools that every server with a triage has. */
const fixed = new Map(
  listing({
    diagnostics: new Map(),
    actions: new Map(),
    triages: new Map([['any', TRIAGE]]),
    digest: '',
  }).map(({ name, output }) => [name, output]),
);

/** Throws unless the data of a tool's answer has its form; the list of tools does not tell it to clients. */
export const checkOutput = (tool: string, data: unknown): void =>
  void (fixed.get(tool) ?? lookReport).parse(data);
