import type { Attack, Without } from '../attack.ts';
import { told } from '../field.ts';

// What somebody who already runs code as pra-runner asks of sudo. Only literal lines are there: anything more is refused by sudo
// itself, before pra-run hears of it.

const PRA_RUN = '/usr/local/bin/pra-run';
const REFUSED =
  /sudo: (?:a password is required|sorry, you are not allowed|you are not permitted|unknown user|a remote host may only be specified)|not allowed|^usage: /mu;

interface Try {
  readonly id: string;
  readonly what: string;
  readonly argv: readonly string[];
  readonly cve?: readonly string[];
  readonly through: RegExp;
  readonly without?: readonly Without[];
  readonly account?: 'mcp-reader';
  /** Variables of the caller's. */
  readonly environment?: readonly string[];
}

const WIDE: readonly Without[] = [{ off: 'sudo: everything', so: 'through' }];
const AS_ROOT = /uid=0\(root\)/u;

const row = ({ id, what, argv, cve, through, without = WIDE, account, environment = [] }: Try): Attack => ({
  id: `sudo-${id}`,
  what,
  layer: 'sudo',
  ...(cve === undefined ? {} : { cve }),
  attack: async (field) =>
    told(
      await field.as(account ?? 'pra-runner', [
        'env',
        'PYTHONPATH=/var/tmp',
        'SHELL=/bin/sh',
        ...environment,
        'timeout',
        '10',
        'sudo',
        '-n',
        ...argv,
      ]),
    ),
  stopped: REFUSED,
  through,
  without,
});

/** pra-run itself turns away what a wider sudoers would let by. */
const thenPraRun: readonly Without[] = [
  {
    off: 'sudo: any argument',
    so: { layer: 'pra-run', stopped: /refused pra-run (?:LINE_FORM|WORD_UNLISTED)/u },
  },
];

export const sudo: readonly Attack[] = (
  [
    { id: 'program', what: 'another program', argv: ['/usr/bin/id'], through: AS_ROOT },
    { id: 'shell', what: 'a shell (-s)', argv: ['-s', 'id'], through: AS_ROOT },
    { id: 'login-shell', what: 'a login shell (-i)', argv: ['-i', 'id'], through: AS_ROOT },
    {
      id: 'user',
      what: 'another user (-u)',
      argv: ['-u', 'admin', '/usr/bin/id'],
      through: /uid=\d+\(admin\)/u,
    },
    {
      id: 'user-minus-one',
      what: 'the user -1, which once meant root',
      argv: ['-u#-1', '/usr/bin/id'],
      cve: ['CVE-2019-14287'],
      through: AS_ROOT,
      without: [
        {
          off: 'sudo: everybody but root',
          so: { layer: 'sudo', stopped: /unknown user|not allowed|sorry/u },
        },
      ],
    },
    {
      id: 'edit-shell',
      what: 'editing (-e) and a shell (-s) at once, with a backslash at the end of an argument',
      argv: ['-e', '-s', '\\', 'A'.repeat(200)],
      cve: ['CVE-2021-3156'],
      through: /no editor|unchanged|malloc|core dumped/u,
      without: [{ off: 'sudo: everything', so: { layer: 'sudo', stopped: /^usage: sudoedit|usage:/mu } }],
    },
    {
      id: 'edit-editor',
      what: 'editing another file through the name of the editor',
      argv: ['-e', '/etc/passwd'],
      cve: ['CVE-2023-22809'],
      through: /^root:[!*$]/mu,
      environment: ['EDITOR=cat -- /etc/shadow'],
      without: [
        // 1.9.13 and Debian's older ones have the mend: sudoers may allow it all, the editor is still told no other file.
        { off: 'sudo: everything', so: { layer: 'sudo', stopped: /editor|unchanged|root:x:0:0/u } },
      ],
    },
    {
      id: 'which-files',
      what: 'asking by sudo which files there are in a folder that is closed',
      argv: ['/root/.profile'],
      cve: ['CVE-1999-1496'],
      through: /command not found|Permission denied/u,
    },
    {
      id: 'role',
      what: 'another SELinux role (-r)',
      argv: ['-r', 'unconfined_r', '/usr/bin/id'],
      cve: ['CVE-2021-23240'],
      through: AS_ROOT,
      without: [{ off: 'sudo: everything', so: 'through' }],
    },
    {
      id: 'askpass',
      what: 'a program of one’s own that is asked for the password (-A)',
      argv: ['-A', '/usr/bin/id'],
      through: AS_ROOT,
    },
    {
      id: 'standard-input',
      what: 'a password from standard input (-S)',
      argv: ['-S', '/usr/bin/id'],
      through: AS_ROOT,
    },
    { id: 'home', what: 'the home of root (-H)', argv: ['-H', '/usr/bin/id'], through: AS_ROOT },
    { id: 'groups-kept', what: 'the caller’s groups (-P)', argv: ['-P', '/usr/bin/id'], through: /uid=0/u },
    { id: 'numbers', what: 'root by its number (-u#0)', argv: ['-u#0', '/usr/bin/id'], through: AS_ROOT },
    {
      id: 'group-number',
      what: 'a group by its number (-g#0)',
      argv: ['-g#0', PRA_RUN, 'version'],
      cve: ['CVE-2010-2956', 'CVE-2011-0010', 'CVE-2009-0034'],
      through: /mcp-pra 1/u,
    },
    { id: 'group', what: 'another group (-g)', argv: ['-g', 'adm', '/usr/bin/id'], through: /\(adm\)/u },
    {
      id: 'edit',
      what: 'editing a file (-e)',
      argv: ['-e', '/etc/passwd'],
      cve: ['CVE-2004-1689', 'CVE-2010-0426', 'CVE-2010-1163', 'CVE-2015-5602', 'CVE-2021-23239'],
      through: /(?:no editor|editor|unchanged|sudoedit)/u,
    },
    {
      id: 'chroot',
      what: 'a root folder of one’s own (-R)',
      argv: ['-R', '/', '/usr/bin/id'],
      cve: ['CVE-2025-32463'],
      through: AS_ROOT,
    },
    {
      id: 'folder',
      what: 'a working folder (-D)',
      argv: ['-D', '/var/tmp', '/usr/bin/id'],
      through: AS_ROOT,
    },
    {
      id: 'descriptors',
      what: 'inherited descriptors (-C)',
      argv: ['-C', '100', '/usr/bin/id'],
      through: AS_ROOT,
    },
    {
      id: 'background',
      what: 'in the background (-b)',
      argv: ['-b', '/usr/bin/touch', '/var/tmp/attack-canary'],
      through: /^CANARY$/mu,
    },
    {
      id: 'environment',
      what: 'the whole environment (-E)',
      argv: ['-E', PRA_RUN, 'version'],
      through: /mcp-pra 1/u,
    },
    {
      id: 'variables',
      what: 'chosen variables (--preserve-env)',
      argv: ['--preserve-env=PYTHONPATH', PRA_RUN, 'version'],
      through: /mcp-pra 1/u,
    },
    {
      id: 'variable',
      what: 'a variable before the program',
      argv: ['PYTHONPATH=/tmp', PRA_RUN, 'version'],
      cve: ['CVE-2004-1051', 'CVE-2005-2959', 'CVE-2005-4158', 'CVE-2006-0151', 'CVE-2014-0106'],
      through: /mcp-pra 1/u,
    },
    {
      id: 'timeout',
      what: 'a time limit that kills an action (-T)',
      argv: ['-T', '1', PRA_RUN, 'version'],
      through: /mcp-pra 1/u,
    },
    {
      id: 'host',
      what: 'the rules of another host (-h)',
      argv: ['-h', 'h9', '/usr/bin/id'],
      cve: ['CVE-2012-2337', 'CVE-2025-32462'],
      through: AS_ROOT,
      without: [
        { off: 'sudo: everything', so: { layer: 'sudo', stopped: /a remote host may only be specified/u } },
      ],
    },
    {
      id: 'list-other',
      what: 'a look at somebody else’s rules (-U)',
      argv: ['-U', 'admin', '-l'],
      through: /NOPASSWD/u,
    },
    { id: 'no-word', what: 'no word', argv: [PRA_RUN], through: /mcp-pra 1/u, without: thenPraRun },
    {
      id: 'second-argument',
      what: 'a second argument',
      argv: [PRA_RUN, 'status', 'x'],
      through: /mcp-pra 1/u,
      without: thenPraRun,
    },
    {
      id: 'joined-words',
      what: 'two words in one argument',
      argv: [PRA_RUN, 'status x'],
      through: /mcp-pra 1/u,
      without: thenPraRun,
    },
    {
      id: 'execute',
      what: 'the entry that runs a claim',
      argv: [PRA_RUN, '--execute', 'a'.repeat(16)],
      through: /mcp-pra 1/u,
      without: thenPraRun,
    },
    {
      id: 'unlisted-action',
      what: 'an action that is not installed',
      argv: [PRA_RUN, 'format_disk'],
      through: /mcp-pra 1/u,
      without: thenPraRun,
    },
    {
      id: 'newline',
      what: 'a listed word and a newline',
      argv: [PRA_RUN, 'version\n'],
      through: /mcp-pra 1/u,
      without: thenPraRun,
    },
    {
      id: 'glob',
      what: 'a word with a star',
      argv: [PRA_RUN, 'versio*'],
      through: /mcp-pra 1/u,
      without: thenPraRun,
    },
    { id: 'empty', what: 'an empty word', argv: [PRA_RUN, ''], through: /mcp-pra 1/u, without: thenPraRun },
    {
      id: 'path',
      what: 'the program by another path',
      cve: ['CVE-1999-0958'],
      argv: ['/usr/local/bin/../../bin/id'],
      through: AS_ROOT,
    },
    {
      id: 'relative',
      what: 'the program by a relative path',
      cve: ['CVE-2010-1646'],
      argv: ['id'],
      through: AS_ROOT,
    },
    {
      id: 'python',
      what: 'the interpreter with the program as its argument',
      argv: ['/usr/bin/python3', '-c', 'import os; os.system("id")'],
      through: AS_ROOT,
    },
    {
      id: 'reader',
      what: 'anything at all as mcp-reader',
      argv: [PRA_RUN, 'version'],
      through: /mcp-pra 1/u,
      account: 'mcp-reader',
    },
  ] satisfies Try[]
).map(row);
