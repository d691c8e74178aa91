import type { Attack } from '../attack.ts';
import type { Said } from '../../support/thief.ts';
import { told, type Account, type Field } from '../field.ts';

// What somebody who already runs code as one of the accounts, or as any other local user, plants for later.

const ACCOUNTS: readonly Account[] = ['mcp-reader', 'pra-runner'];
const nameOf = (account: Account): string => (account === 'mcp-reader' ? 'reader' : 'runner');

/** Plants a file in the account's home as the account itself, and logs in. */
const planted =
  (name: string, path: string, content: string) =>
  (account: Account): Attack => ({
    id: `${nameOf(account)}-plants-${name}`,
    what: `${path} in the home of ${account}`,
    layer: 'account',
    attack: async (field) => {
      const home = `/var/empty/${account}`;
      const planting = await field.as(account, [
        '/bin/sh',
        '-c',
        `mkdir -p "$(dirname ${home}/${path})" && printf '%s\\n' '${content}' >${home}/${path}`,
      ]);
      try {
        const said = await field.ask(account, account === 'mcp-reader' ? 'uptime' : 'version', '', [
          '-o',
          'ControlPath=none',
        ]);
        return `${told(planting)}\n${told(said)}`;
      } finally {
        await field.stage(`find ${home} -mindepth 1 -delete`);
      }
    },
    stopped: /^exit [12]\n[^]*(?:Permission denied|cannot create|nonexistent)[^]*mcp-pra 1/u,
    through: /attack\.so|^CANARY$/mu,
    without:
      name === 'pam-environment'
        ? [{ off: 'account: home', so: 'through' }]
        : [
            {
              off: 'account: home',
              so: { layer: name === 'rc' ? 'sshd Match' : 'login shell', stopped: /^exit 0\n[^]*mcp-pra 1/u },
            },
          ],
  });

/** As another local user, into a folder of the product. */
const intoFolder = (id: string, path: string, user: 'nobody' | Account): Attack => ({
  id: `plant-${id}`,
  what: `a file in ${path.slice(0, path.lastIndexOf('/'))} as ${user}`,
  layer: 'account',
  attack: async (field: Field) => {
    const said = await field.as(user, ['/bin/sh', '-c', `echo x >>${path}`]);
    const made = await field.host.run(['/bin/sh', '-c', `[ -e ${path} ] && rm -f ${path}`]);
    return `${told(said)}\n${made.code === 0 ? 'PLANTED' : 'NOT THERE'}`;
  },
  stopped: /^exit 2\n[^]*(?:Permission denied|cannot create)[^]*NOT THERE/u,
  through: /^PLANTED$/mu,
  without: [{ off: 'account: folders', so: 'through' }],
});

const request = async (field: Field, line: string): Promise<Said> => {
  const said = await field.as('mcp-reader', [
    'timeout',
    '5',
    'env',
    `SSH_ORIGINAL_COMMAND=${line}`,
    'SSH_CONNECTION=192.0.2.7 1 192.0.2.8 22',
    '/usr/local/bin/mcp-wrapper',
    '-c',
    '/usr/local/bin/mcp-wrapper',
  ]);
  field.asked.push({ account: 'mcp-reader', line, said });
  return said;
};

/** With something of one's own in place of the rate file. */
const rateFile = (id: string, what: string, make: string, through: RegExp): Attack => ({
  id: `rate-${id}`,
  what,
  layer: 'wrapper',
  attack: async (field) => {
    await field.stage(`rm -rf /run/mcp-pra/reader/rate; runuser -u mcp-reader -- ${make}`);
    try {
      return told(await request(field, 'uptime'));
    } finally {
      await field.stage('rm -rf /run/mcp-pra/reader/rate');
    }
  },
  stopped: /^exit 0\nwarning wrapper RATE_UNAVAILABLE\n[^]*mcp-pra 1/u,
  through,
  without: [{ off: 'wrapper: rate file', so: 'through' }],
});

export const account: readonly Attack[] = [
  ...ACCOUNTS.map(planted('rc', '.ssh/rc', 'touch /var/tmp/attack-canary')),
  ...ACCOUNTS.map(planted('pam-environment', '.pam_environment', 'LD_PRELOAD DEFAULT=/var/tmp/attack.so')),
  ...ACCOUNTS.map(planted('profile', '.profile', 'touch /var/tmp/attack-canary')),
  ...ACCOUNTS.map(planted('bashrc', '.bashrc', 'touch /var/tmp/attack-canary')),
  ...(
    [
      ['verbs', '/usr/local/lib/mcp-pra/verbs/attack_planted'],
      ['actions', '/usr/local/lib/mcp-pra/actions/attack_planted.json'],
      ['scripts', '/usr/local/lib/mcp-pra/scripts/attack-planted'],
      ['modules', '/usr/local/lib/mcp-pra/pra_run/attack.py'],
      ['names', '/etc/mcp-pra/names/log/attack'],
      ['keys', '/etc/mcp-pra/authorized_keys/attack'],
      ['switches', '/etc/mcp-pra/attack'],
      ['claims', '/var/lib/mcp-pra/claims/attack.json'],
      ['run', '/run/mcp-pra/attack'],
      ['facts', '/run/mcp-pra/facts/attack.json'],
      ['programs', '/usr/local/bin/attack'],
    ] as const
  ).flatMap(([id, path]) => [
    intoFolder(`${id}-as-reader`, path, 'mcp-reader'),
    intoFolder(`${id}-as-runner`, path, 'pra-runner'),
  ]),
  ...(['mcp-wrapper', 'pra-exec', 'pra-run'] as const).flatMap((program) =>
    ACCOUNTS.map((user): Attack => ({
      id: `replace-${program}-as-${nameOf(user)}`,
      what: `another ${program} in place of ours, as ${user}`,
      layer: 'account',
      ...(program === 'pra-run' ? { cve: ['CVE-2005-1993', 'CVE-2015-8239'] } : {}),
      attack: async (field) => {
        const path = `/usr/local/bin/${program}`;
        await field.stage(`cp -p ${path} /root/kept`);
        try {
          return told(await field.as(user, ['/bin/sh', '-c', `echo "#!/bin/sh" >${path} && echo REPLACED`]));
        } finally {
          await field.stage(`cat /root/kept >${path}; rm /root/kept`);
        }
      },
      stopped: /^exit 2\n[^]*(?:Permission denied|cannot create)/u,
      through: /REPLACED/u,
      without: [{ off: 'account: folders', so: 'through' }],
    })),
  ),
  rateFile(
    'symlink',
    'a link in place of the rate file',
    'ln -s /var/tmp/attack-canary /run/mcp-pra/reader/rate',
    /^CANARY$/mu,
  ),
  rateFile('fifo', 'a FIFO in place of the rate file', 'mkfifo /run/mcp-pra/reader/rate', /^exit 124\n/u),
  {
    id: 'table-of-the-caller',
    what: 'a verb file that belongs to the caller',
    layer: 'wrapper',
    attack: async (field) => {
      await field.stage(
        'cp /usr/local/lib/mcp-pra/verbs/memory /usr/local/lib/mcp-pra/verbs/attack_mine; chown mcp-reader /usr/local/lib/mcp-pra/verbs/attack_mine',
      );
      try {
        return told(await field.read('attack_mine'));
      } finally {
        await field.stage('rm /usr/local/lib/mcp-pra/verbs/attack_mine');
      }
    },
    stopped: /^exit 70\nrefused wrapper TABLE_BAD/u,
    through: /mcp-pra 1/u,
    without: [{ off: 'wrapper: owner', so: 'through' }],
  },
  {
    id: 'table-link',
    what: 'a verb file that is a link to somebody’s own',
    layer: 'wrapper',
    attack: async (field) => {
      await field.stage(
        'cp /usr/local/lib/mcp-pra/verbs/memory /var/tmp/verb; ln -s /var/tmp/verb /usr/local/lib/mcp-pra/verbs/attack_link',
      );
      try {
        return told(await field.read('attack_link'));
      } finally {
        await field.stage('rm /usr/local/lib/mcp-pra/verbs/attack_link /var/tmp/verb');
      }
    },
    stopped: /^exit 70\nrefused wrapper TABLE_BAD/u,
    through: /mcp-pra 1/u,
    without: [{ off: 'wrapper: links', so: 'through' }],
  },
  ...(
    [
      [
        'link',
        'a link',
        'echo /etc/passwd >/var/tmp/place; ln -s /var/tmp/place /etc/mcp-pra/names/log/attack',
      ],
      ['option', 'an option in place of a path', 'echo --version >/etc/mcp-pra/names/log/attack'],
      ['two', 'two places', 'printf "/etc/passwd\\n/etc/shadow\\n" >/etc/mcp-pra/names/log/attack'],
      [
        'owner',
        'a name of the caller’s own',
        'echo /etc/passwd >/etc/mcp-pra/names/log/attack; chown mcp-reader /etc/mcp-pra/names/log/attack',
      ],
    ] as const
  ).map(([id, what, make]): Attack => ({
    id: `name-${id}`,
    what: `a name of a log file that stands for ${what}`,
    layer: 'wrapper',
    attack: async (field) => {
      await field.stage(make);
      try {
        return told(await field.read('attack_name attack'));
      } finally {
        await field.stage('rm -f /etc/mcp-pra/names/log/attack /var/tmp/place');
      }
    },
    stopped: /^exit 64\nrefused wrapper NAME_UNKNOWN/u,
    through: /mcp-pra 1/u,
    without: [{ off: 'wrapper: names', so: 'through' }],
  })),
  {
    id: 'name-fifo',
    what: 'a name of a log file that stands for a FIFO whose writer says nothing',
    layer: 'wrapper',
    attack: async (field) => {
      // The writer waits for its reader, and then for longer than the limit.
      await field.stage(
        'mkfifo -m 0644 /var/tmp/fifo; echo /var/tmp/fifo >/etc/mcp-pra/names/log/attack; systemd-run --quiet --collect --unit=attack-fifo /bin/sh -c "exec 3>/var/tmp/fifo; sleep 6"',
      );
      try {
        return told(await field.read('attack_name attack'));
      } finally {
        await field.stage(
          'systemctl stop attack-fifo 2>/dev/null || :; rm -f /etc/mcp-pra/names/log/attack /var/tmp/fifo',
        );
      }
    },
    stopped: /^exit 124\n[^]*rc=124/u,
    through: /^exit 0\n/u,
    without: [{ off: 'wrapper: time limit', so: 'through' }],
  },
  {
    id: 'set-user-id',
    what: 'a set-user-id program from the reader channel',
    layer: 'no_new_privs',
    attack: async (field) => told(await field.read('attack_setuid')),
    stopped: /^NoNewPrivs:\t1$/mu,
    through: /^NoNewPrivs:\t0$/mu,
    without: [{ off: 'wrapper: no_new_privs', so: 'through' }],
  },
  {
    id: 'switch-reader',
    what: 'a request while the kill switch is thrown',
    layer: 'wrapper',
    attack: async (field) => {
      await field.stage('touch /etc/mcp-pra/disabled');
      try {
        return told(await field.read('uptime'));
      } finally {
        await field.stage('rm /etc/mcp-pra/disabled');
      }
    },
    stopped: /^exit 75\nrefused wrapper DISABLED/u,
    through: /mcp-pra 1/u,
    without: [{ off: 'wrapper: switch', so: 'through' }],
  },
  {
    id: 'switch-runner',
    what: 'a word while the kill switch is thrown',
    layer: 'pra-exec',
    attack: async (field) => {
      await field.stage('touch /etc/mcp-pra/disabled');
      try {
        return told(await field.act('version'));
      } finally {
        await field.stage('rm /etc/mcp-pra/disabled');
      }
    },
    stopped: /^exit 75\nrefused pra-exec DISABLED/u,
    through: /"event"/u,
    without: [{ off: 'pra-exec: switch', so: { layer: 'pra-run', stopped: /refused pra-run DISABLED/u } }],
  },
  {
    id: 'hang',
    what: 'a diagnostic that never ends',
    layer: 'wrapper',
    attack: async (field) => told(await field.read('attack_sleep')),
    stopped: /^exit 124\n[^]*rc=124/u,
    through: /^exit 0\n/u,
    without: [{ off: 'wrapper: time limit', so: 'through' }],
  },
  {
    id: 'output-bomb',
    what: 'a diagnostic that never stops printing',
    layer: 'wrapper',
    attack: async (field) => {
      const { code, stdout } = await field.read('attack_flood');
      return `exit ${String(code)}\n${stdout.length < 2_000 ? 'FEW BYTES' : 'A FLOOD'}\n${stdout.slice(-100)}`;
    },
    stopped: /^exit 0\nFEW BYTES\n[^]*rc=141 ms=\d+ cut=1/u,
    through: /A FLOOD/u,
    without: [{ off: 'wrapper: output stop', so: 'through' }],
  },
  {
    id: 'flood',
    what: 'more than 240 requests a minute',
    layer: 'wrapper',
    attack: async (field) => {
      // The file as 240 requests of this minute leave it: what the 241st meets is the point. Not in the minute's last seconds.
      await field.stage(
        'while read -r up _ </proc/uptime; [ $((${up%.*} % 60)) -gt 35 ]; do sleep 0.2; done; printf "%s\\n%0240d" "$((${up%.*} / 60))" 0 >/run/mcp-pra/reader/rate; chown mcp-reader /run/mcp-pra/reader/rate',
      );
      try {
        return told(await field.read('uptime'));
      } finally {
        await field.stage('rm -f /run/mcp-pra/reader/rate');
      }
    },
    stopped: /^exit 75\nrefused wrapper RATE_LIMITED/u,
    through: /mcp-pra 1/u,
    without: [{ off: 'wrapper: rate', so: 'through' }],
  },
];
