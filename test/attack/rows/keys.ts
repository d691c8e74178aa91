import { publicKey } from '../../lab/provisioned.ts';
import { sshAs } from '../../support/thief.ts';
import type { Attack } from '../attack.ts';
import { told, type Account, type Field } from '../field.ts';

// Which key opens what. sshd says the same few words for all of them, so that an attack is told by what it would have got.

const DENIED = /^exit 255\n[^]*Permission denied \(publickey\)/u;
const KEYS = '/etc/mcp-pra/authorized_keys';
const IN = /mcp-pra 1|refused (?:wrapper|pra-exec)|uid=/u;

const login = async (field: Field, key: string, account: string, line: string): Promise<string> =>
  told(await sshAs(field.loot(key), account, [line]));

/** With one line more in mcp-reader's keys: `line` gets the stranger's public key in place of KEY. */
const withLine = async (field: Field, line: string, work: () => Promise<string>): Promise<string> => {
  const path = `${KEYS}/mcp-reader`;
  const before = await field.host.readFile(path);
  await field.host.writeFile(
    path,
    `${before}${line.replaceAll('KEY', publicKey(field.keys.stranger))}\n`,
    0o644,
  );
  try {
    return await work();
  } finally {
    await field.host.writeFile(path, before, 0o644);
  }
};

const OPTIONS = 'restrict,command="/usr/local/bin/mcp-wrapper"';

/** A line that must let nobody in, and the same line put right, which does: so the refusal is the line's. */
const line = (id: string, what: string, wrong: string, right: string): Attack => ({
  id: `key-${id}`,
  what,
  layer: 'sshd keys',
  attack: async (field) => {
    const good = await withLine(field, right, () =>
      login(field, field.keys.stranger, 'mcp-reader', 'uptime'),
    );
    if (!good.includes('mcp-pra 1')) throw new Error(`the line put right lets nobody in: ${good}`);
    return withLine(field, wrong, () => login(field, field.keys.stranger, 'mcp-reader', 'uptime'));
  },
  stopped: DENIED,
  through: IN,
  without: [],
  putRight: true,
});

const crossed = (account: Account, other: string): Attack => ({
  id: `key-of-${account}-as-${other}`,
  what: `the key of ${account} as ${other}`,
  layer: 'sshd keys',
  attack: (field) =>
    login(field, account === 'mcp-reader' ? field.keys.reader : field.keys.runner, other, 'version'),
  stopped: DENIED,
  through: IN,
  without:
    other === 'admin' || other === 'root'
      ? [{ off: 'keys: of the accounts for everybody', so: 'through' }]
      : [{ off: 'keys: of both accounts in both files', so: 'through' }],
});

export const keys: readonly Attack[] = [
  crossed('mcp-reader', 'pra-runner'),
  crossed('mcp-reader', 'admin'),
  crossed('mcp-reader', 'root'),
  crossed('pra-runner', 'root'),
  crossed('pra-runner', 'mcp-reader'),
  crossed('pra-runner', 'admin'),
  {
    id: 'key-of-admin',
    what: 'the administrator’s own key as either account',
    layer: 'sshd keys',
    attack: async (field) =>
      `${await login(field, field.lab.adminKey, 'mcp-reader', 'uptime')}\n${await login(field, field.lab.adminKey, 'pra-runner', 'version')}`,
    stopped: /^exit 255\n[^]*Permission denied[^]*exit 255\n[^]*Permission denied/u,
    through: IN,
    without: [{ off: 'keys: of the administrator for the accounts', so: 'through' }],
  },
  line('stranger', 'a key that is listed nowhere', '# no line', `${OPTIONS} KEY`),
  {
    id: 'key-revoked',
    what: 'a key that is listed and revoked',
    layer: 'sshd keys',
    attack: async (field) => {
      await field.stage(
        'cp -a /etc/mcp-pra/revoked_keys /root/keys.krl; cat >/root/revoked.pub; ssh-keygen -q -k -f /root/new.krl /root/revoked.pub; cat /root/new.krl >/etc/mcp-pra/revoked_keys',
        `${publicKey(field.keys.reader)}\n`,
      );
      try {
        return await login(field, field.keys.reader, 'mcp-reader', 'uptime');
      } finally {
        await field.stage('cat /root/keys.krl >/etc/mcp-pra/revoked_keys');
      }
    },
    stopped: DENIED,
    through: IN,
    without: [{ off: 'sshd: revoked keys', so: 'through' }],
  },
  line(
    'expired',
    'a key after its expiry-time',
    `${OPTIONS},expiry-time="20200101" KEY`,
    `${OPTIONS},expiry-time="20990101" KEY`,
  ),
  line(
    'from',
    'a key from an address that its line does not list',
    `${OPTIONS},from="192.0.2.1" KEY`,
    `${OPTIONS},from="*" KEY`,
  ),
  line(
    'from-negated',
    'a key from an address that its line excludes',
    `${OPTIONS},from="!*,192.0.2.1" KEY`,
    `${OPTIONS},from="*" KEY`,
  ),
  line(
    'typo',
    'a line with a typo in an option: ignored, never open',
    `${OPTIONS},expiry-tim="20990101" KEY`,
    `${OPTIONS},expiry-time="20990101" KEY`,
  ),
  line(
    'typo-quote',
    'a line with a quote that does not end',
    `${OPTIONS.slice(0, -1)} KEY`,
    `${OPTIONS} KEY`,
  ),
  line(
    'certificate-authority',
    'a line that makes an authority of a key, for that key itself',
    `cert-authority,${OPTIONS} KEY`,
    `${OPTIONS} KEY`,
  ),
  line(
    'principals-typo',
    'a line of two options with a space between',
    `restrict, command="/usr/local/bin/mcp-wrapper" KEY`,
    `${OPTIONS} KEY`,
  ),
  line(
    'expired-time',
    'a key one minute after its expiry-time in UTC',
    `${OPTIONS},expiry-time="202001010000Z" KEY`,
    `${OPTIONS},expiry-time="209901010000Z" KEY`,
  ),
  {
    id: 'key-twice',
    what: 'a key that is listed twice, first without any option: no command of its own all the same',
    layer: 'sshd Match',
    attack: (field) =>
      withLine(field, `KEY\n${OPTIONS} KEY`, () =>
        login(field, field.keys.stranger, 'mcp-reader', 'touch /var/tmp/attack-canary'),
      ),
    stopped: /refused wrapper LINE_FORM/u,
    through: /^CANARY$/mu,
    without: [
      { off: 'sshd: Match', so: { layer: 'login shell', stopped: /refused wrapper LOGIN/u } },
      { off: 'sshd: open door', so: 'through' },
    ],
  },
  {
    id: 'key-bare-line',
    what: 'a bare line for a key, as a slip of an administrator leaves it: no shell all the same',
    layer: 'sshd Match',
    attack: (field) =>
      withLine(field, 'KEY', () =>
        login(field, field.keys.stranger, 'mcp-reader', 'touch /var/tmp/attack-canary'),
      ),
    stopped: /refused wrapper LINE_FORM/u,
    through: /^CANARY$/mu,
    without: [
      { off: 'sshd: Match', so: { layer: 'login shell', stopped: /refused wrapper LOGIN/u } },
      { off: 'sshd: open door', so: 'through' },
    ],
  },
];
