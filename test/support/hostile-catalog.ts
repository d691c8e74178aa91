import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { changedCatalog, type ChangedCatalog } from './changed-catalog.ts';

/**
 * The embedded catalog and definitions that print what a test wants a host to say: the diagnostics `demo_note` and, as a log, `demo_log`, and the LOW
 * action `print_note` show the file `note` of the demo process, `print_much` prints as many numbers as asked for, `leave_demo` says
 * that it switches the host off and takes a second.
 */
export const hostileCatalog = (): ChangedCatalog =>
  changedCatalog((folder) => {
    writeFileSync(join(folder, 'diagnostics/demo_note.yaml'), NOTE);
    writeFileSync(join(folder, 'diagnostics/demo_log.yaml'), LOG);
    writeFileSync(join(folder, 'actions/print_note.yaml'), PRINT_NOTE);
    writeFileSync(join(folder, 'actions/print_much.yaml'), PRINT_MUCH);
    writeFileSync(join(folder, 'actions/leave_demo.yaml'), LEAVE);
  });

/** What print_note and print_much may do by themselves. */
export const HOSTILE_AUTO = [
  { action: 'print_note', args: {} },
  { action: 'print_much', args: { lines: '140000' } },
  { action: 'restart_demo', args: { service: 'demo' } },
  ...[1, 2, 3, 5, 20].map((seconds) => ({ action: 'slow_demo', args: { seconds: String(seconds) } })),
];

const NOTE = `name: demo_note
title: A note
summary: Shows a note.
run:
  - section: note
    argv: [/usr/bin/cat, --, /run/mcp-pra/demo/note]
parse: lines
facts:
  first: {type: string, from: first, help: The first line.}
  lines: {type: rows, help: All lines.}
limits: {seconds: 5, bytes: 262144}
tags: [demo]
promote: true
`;

const LOG = NOTE.replace('demo_note', 'demo_log').replace(
  /facts:[^]*limits/u,
  'facts:\n  count: {type: integer, help: Lines.}\ncompact: true\nlimits',
);

const action = (name: string, params: string, argv: string): string => `name: ${name}
title: Print
summary: Prints.
impact: LOW
${params}argv: ${argv}
effects: None.
undo: There is nothing to undo.
limits: {seconds: 30, bytes: 1048576}
idempotent: true
cooldown: 0
tags: [demo]
`;

const LEAVE = `${action('leave_demo', '', "[/usr/bin/sleep, '1']").replace('LOW', 'MEDIUM')}ends: poweroff
`;
const PRINT_NOTE = action('print_note', '', '[/usr/bin/cat, --, /run/mcp-pra/demo/note]');
const PRINT_MUCH = action(
  'print_much',
  `params:
  - name: lines
    type: integer
    bounds: 1..1000000
    default: 10
    help: How many.
`,
  "[/usr/bin/seq, --, '{lines}']",
);
