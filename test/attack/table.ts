import type { Attack } from './attack.ts';
import { account } from './rows/account.ts';
import { builtInWords } from './rows/built-in-words.ts';
import { certificates } from './rows/certificates.ts';
import { keys } from './rows/keys.ts';
import { logs } from './rows/logs.ts';
import { praExec } from './rows/pra-exec.ts';
import { readerLines } from './rows/reader-lines.ts';
import { resources } from './rows/resources.ts';
import { revocation } from './rows/revocation.ts';
import { sshd } from './rows/sshd.ts';
import { sudo } from './rows/sudo.ts';
import { tickets } from './rows/tickets.ts';

/** Every attack of the suite. docs/threat-model.md is generated from it. */
export const ATTACKS: readonly Attack[] = [
  ...readerLines,
  ...sshd,
  ...keys,
  ...certificates,
  ...revocation,
  ...account,
  ...praExec,
  ...sudo,
  ...tickets,
  ...builtInWords,
  ...logs,
  ...resources,
];
