import type { Attack, Without } from '../attack.ts';
import { told } from '../field.ts';

// Words of a stolen runner key, before any ticket is looked at.

const naive: Without = { off: 'pra-exec: naive', so: 'through' };
const NEXT = /sudo: a password is required|sudo: sorry|refused pra-run/u;

const word = (
  id: string,
  what: string,
  line: string,
  code: 'LINE_FORM' | 'WORD_UNLISTED',
  without: readonly Without[],
  through = /(?!)/u,
): Attack => ({
  id: `word-${id}`,
  what,
  layer: 'pra-exec',
  attack: async (field) => told(await field.act(line)),
  stopped: new RegExp(`^exit ${code === 'LINE_FORM' ? '64' : '126'}\nrefused pra-exec ${code}\n\n$`, 'u'),
  through,
  without,
});
const thenSudo: Without = { off: 'pra-exec: one word', so: { layer: 'sudo', stopped: NEXT } };
const CANARY = 'attack-canary';

export const praExec: readonly Attack[] = [
  word('unlisted', 'a word that is not listed', 'format_disk', 'WORD_UNLISTED', [thenSudo]),
  word('two', 'two words', 'status status', 'LINE_FORM', [thenSudo]),
  word('option', 'the entry that runs a claim', '--execute', 'LINE_FORM', [thenSudo]),
  word('path', 'a path', '/bin/sh', 'LINE_FORM', [thenSudo]),
  word('dots', 'a path to an action file', '../verbs/uptime', 'LINE_FORM', [thenSudo]),
  word('newline', 'a listed word and a newline', 'status\n', 'LINE_FORM', [thenSudo]),
  word('newline-command', 'a second command after a newline', `version\ntouch ${CANARY}`, 'LINE_FORM', [
    thenSudo,
    naive,
  ]),
  word('semicolon', 'a command after a semicolon', `version; touch ${CANARY}`, 'LINE_FORM', [
    thenSudo,
    naive,
  ]),
  word('substitution', 'a substitution', `$(touch \${PWD}/${CANARY})`, 'LINE_FORM', [thenSudo, naive]),
  word('sudo-option', 'an option for sudo', `version -u admin`, 'LINE_FORM', [thenSudo]),
  word('glob', 'a star', '*', 'LINE_FORM', [thenSudo]),
  word('capital', 'a listed word in capitals', 'STATUS', 'LINE_FORM', [thenSudo]),
  word('unicode', 'a listed word with a look-alike', 'statuѕ', 'LINE_FORM', [thenSudo]),
  word('size-41', 'a word of 41 letters', 'a'.repeat(41), 'LINE_FORM', [thenSudo]),
  word('size-40', 'an unlisted word of 40 letters', 'a'.repeat(40), 'WORD_UNLISTED', [thenSudo]),
  word('reader-verb', 'a verb of the other channel', 'uptime', 'WORD_UNLISTED', [thenSudo]),
];
