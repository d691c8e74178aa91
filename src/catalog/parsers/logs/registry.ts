import type { FactParser } from '../parser.ts';
import { journal } from './journal.ts';
import { journalDiskUse } from './journal-disk-use.ts';
import { journalSearch } from './journal-search.ts';
import { journalUnits } from './journal-units.ts';
import { kernelMessages } from './kernel-messages.ts';
import { lastLogins } from './last-logins.ts';
import { logTail } from './log-tail.ts';

/** Parsers of diagnostics about logs, by the name a definition gives. */
export const logsParsers: readonly (readonly [name: string, parser: FactParser])[] = [
  ['journal', journal],
  ['journal_disk_use', journalDiskUse],
  ['journal_search', journalSearch],
  ['journal_units', journalUnits],
  ['kernel_messages', kernelMessages],
  ['last_logins', lastLogins],
  ['log_tail', logTail],
];
