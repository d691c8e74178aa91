import { pick, randomOf, type Random } from '../support/mutations.ts';
import type { Verb } from './oracle/legal.ts';

// Request lines made of the classes of attacks of the table, by the thousand. The same seed gives the same lines.

const STRANGE = [
  ';',
  '&',
  '&&',
  '|',
  '||',
  '>',
  '<',
  '>>',
  '`id`',
  '$(id)',
  '${IFS}',
  '$HOME',
  '$((1))',
  '\n',
  '\r',
  '\t',
  '\u001b[2J',
  '*',
  '?',
  '[a-z]',
  '{a,b}',
  "'",
  '"',
  '\\',
  '~',
  '!',
  '#',
  '--',
  '-',
  '-f',
  '--host=x',
  '--vers',
  '/',
  '..',
  '../..',
  '/proc/self/environ',
  '/dev/stdin',
  '%',
  '%n',
  '=',
  ',',
  '+',
  '@',
  ':',
  '.',
  '_',
  '；',
  '\u00a0',
  '\u2028',
  '\u200b',
  '\u202e',
  'ｕ',
  'ѕ',
  '٥',
  'é',
  '\u{1f600}',
  '\u007f',
  '\u0080',
  'A',
  '0',
  '00',
  '-0',
  '0x1',
  '1e3',
  '99999999999999999999',
  'id',
  'sh',
  'sh -c id',
  'sudo -n id',
  'scp -t .',
  'a[$(id)]',
  'x'.repeat(97),
  'x'.repeat(513),
  ' ',
  '  ',
  '',
];
const UNITS = [
  'cron.service',
  'ssh.service',
  'a@b.timer',
  '-.mount',
  'x.evil',
  'A.b-c:d_e.socket',
  'lab-demo.service',
];
const SPANS = ['1s', '59m', '24h', '30d', '31d', '0s', '9999s', '10000s', '1w', 'h', '1', '01s'];
const CHOICES = ['a', 'b', 'c', 'a,b', 'A'];
const PORTS = ['1', '22', '65535', '65536', '0', '022'];
const TEXTS = ['61', 'c3a9', '4A', '616', '00', '0a', 'c0af', 'eda080', '61'.repeat(96), '61'.repeat(97)];
const NUMBERS = ['0', '1', '500', '501', '010', '-1', '+1', '1.5', '999999999', '1000000000', '4294967297'];

/** A value that may well be legal. */
const value = (random: Random, type: string): string => {
  if (type === 'unit') return pick(random, UNITS);
  if (type === 'span') return pick(random, SPANS);
  if (type === 'choice') return pick(random, CHOICES);
  if (type === 'port') return pick(random, PORTS);
  if (type === 'text') return pick(random, TEXTS);
  return pick(random, NUMBERS);
};

const insert = (random: Random, text: string): string => {
  const at = random(text.length + 1);
  return text.slice(0, at) + pick(random, STRANGE) + text.slice(at + random(2));
};

/** One line: a verb with values that fit or nearly do, and in most lines one to three things that do not belong there. */
const makeLine = (random: Random, verbs: readonly Verb[]): string => {
  const verb = pick(random, verbs);
  const words = [verb.name, ...verb.params.map(({ type }) => value(random, type))];
  if (random(12) === 0) words.push(value(random, pick(random, ['unit', 'span', 'integer'])));
  if (random(12) === 0) words.pop();
  let line = words.join(random(40) === 0 ? '  ' : ' ');
  for (let edits = random(4); edits > 0; edits -= 1) line = insert(random, line);
  return random(60) === 0 ? line.padEnd(pick(random, [511, 512, 513, 4_096]), 'a') : line;
};

/** `count` words of the runner channel: listed ones with things that do not belong there, and few that are as they should be. */
export const makeWords = (seed: number, count: number, words: readonly string[]): readonly string[] => {
  const random = randomOf(seed);
  const made: string[] = [];
  while (made.length < count) {
    let word = pick(random, words);
    for (let edits = random(40) === 0 ? 0 : 1 + random(3); edits > 0; edits -= 1) word = insert(random, word);
    if (word !== '') made.push(random(60) === 0 ? word.padEnd(pick(random, [40, 41, 4_096]), 'a') : word);
  }
  return made;
};

/** `count` lines; NUL and the empty line, which sshd itself turns away or takes for a login, are rows of the table. */
export const makeLines = (seed: number, count: number, verbs: readonly Verb[]): readonly string[] => {
  const random = randomOf(seed);
  const lines: string[] = [];
  while (lines.length < count) {
    const line = makeLine(random, verbs);
    if (line !== '') lines.push(line);
  }
  return lines;
};
