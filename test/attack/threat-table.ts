import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LAYERS } from './attack.ts';
import { DEGRADATIONS } from './degradations.ts';
import { ATTACKS } from './table.ts';

// docs/threat-model.md holds the table of attacks and layers, made from the rows of the suite.
// To write it: npx node test/attack/threat-table.ts

export const PAGE = join(import.meta.dirname, '../../docs/threat-model.md');
const [BEGIN, END] = [
  '<!-- begin of the generated table: npx node test/attack/threat-table.ts -->',
  '<!-- end of the generated table -->',
];

const cell = (text: string): string => text.replaceAll('|', '\\|');

/** The table: for each attack the layer that stops it, and what became of it with that layer off. */
export const renderTable = (): string => {
  const rows = ATTACKS.map(({ id, what, layer, cve = [], without }) => {
    const off = without.map(
      ({ off: name, so }) => `${DEGRADATIONS[name].what}: ${so === 'through' ? '**through**' : so.layer}`,
    );
    const cells = [
      `\`${id}\``,
      what,
      layer,
      off.length === 0 ? 'the same without its fault: **through**' : off.join('; '),
      cve.join(', '),
    ];
    return `| ${cells.map(cell).join(' | ')} |`;
  });
  const layers = Object.entries(LAYERS).map(([name, what]) => `- **${name}**: ${what}`);
  return [
    ...layers,
    '',
    `${String(ATTACKS.length)} attacks.`,
    '',
    '| row | attack | stopped by | with that layer off | counterpart of |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
};

/** The page with a table in place of the one in it. */
export const withTable = (page: string, table: string): string => {
  const [head, rest] = page.split(BEGIN);
  const tail = rest?.split(END)[1];
  if (head === undefined || tail === undefined) throw new Error(`${PAGE} has no place for the table`);
  return `${head}${BEGIN}\n${table}\n${END}${tail}`;
};

if (import.meta.main) writeFileSync(PAGE, withTable(readFileSync(PAGE, 'utf8'), renderTable()));
