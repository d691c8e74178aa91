import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { sshAs } from '../../support/thief.ts';
import type { Attack } from '../attack.ts';
import { told, type Account, type Field } from '../field.ts';

// Certificates of every wrong kind, for a key that is listed nowhere. Next to each stands the right one, which gets in.

const DENIED = /^exit 255\n[^]*Permission denied \(publickey\)/u;
const IN = /mcp-pra 1|refused (?:wrapper|pra-exec)|uid=/u;

interface Certificate {
  /** Options of ssh-keygen besides -s, -I and -n. */
  readonly options?: readonly string[];
  /** Path of the signing key; the authority of the lab by default. */
  readonly by?: string;
  readonly principal?: string;
  readonly user?: string;
  /** The key that the certificate is for; the stranger's by default. */
  readonly subject?: string;
}

const GOOD = ['-V', '-1m:+5m', '-O', 'clear', '-z', '7'];

/** A login with the stranger's key and a certificate; `line` is asked. */
const login = async (
  field: Field,
  { options = GOOD, by = field.authority, principal, user = 'mcp-reader', subject }: Certificate = {},
  line = 'version',
  args: readonly string[] = [],
): Promise<string> => {
  const path = join(mkdtempSync(join(field.dir, 'certificate-')), 'subject');
  copyFileSync(`${subject ?? field.keys.stranger}.pub`, `${path}.pub`);
  const name = principal ?? `${user}@${field.host.name}`;
  const names = name === '' ? [] : ['-n', name];
  execFileSync(
    'ssh-keygen',
    ['-q', '-s', by, '-I', 'attack', ...names, ...options, `${path}.pub`],
    // ssh-keygen takes times for those of its zone.
    { env: { ...process.env, TZ: 'UTC' }, stdio: 'pipe' },
  );
  const certificate = ['-o', `CertificateFile=${path}-cert.pub`];
  return told(
    await sshAs(field.loot(field.keys.stranger), user, line === '' ? [] : [line], '', [
      ...certificate,
      ...args,
    ]),
  );
};

/** A certificate with one thing wrong about it, after the right one has shown that it gets in. */
const wrong = (
  id: string,
  what: string,
  certificate: Certificate | ((field: Field) => Certificate),
): Attack => ({
  id: `certificate-${id}`,
  what: `a certificate ${what}`,
  layer: 'certificates',
  attack: async (field) => {
    const good = await login(field);
    if (!IN.test(good)) throw new Error(`the right certificate lets nobody in: ${good}`);
    return login(field, typeof certificate === 'function' ? certificate(field) : certificate);
  },
  stopped: DENIED,
  through: IN,
  without: [],
  putRight: true,
});

const REVOKED = '/etc/mcp-pra/revoked_keys';

export const certificates: readonly Attack[] = [
  wrong('expired', 'that has expired', { options: ['-V', '-10m:-5m', '-O', 'clear'] }),
  wrong('early', 'that is not valid yet', { options: ['-V', '+5m:+10m', '-O', 'clear'] }),
  wrong('other-account', 'for the other account', (field) => ({
    principal: `pra-runner@${field.host.name}`,
  })),
  wrong('other-host', 'for another host', { principal: 'mcp-reader@h9' }),
  wrong('no-principal', 'without a principal', { principal: '' }),
  wrong('wildcard', 'with a pattern as principal', { principal: '*' }),
  wrong('list', 'with principals of other services', { principal: 'root,admin,mcp-reader@*' }),
  wrong('of-a-host', 'of a host', { options: ['-h', '-V', '-1m:+5m'] }),
  wrong('other-address', 'for another address', { options: [...GOOD, '-O', 'source-address=192.0.2.9'] }),
  wrong('own-command', 'that brings a command of its own', {
    options: [...GOOD, '-O', 'force-command=/bin/sh'],
  }),
  wrong('unknown-option', 'with a critical option that sshd does not know', {
    options: [...GOOD, '-O', 'critical:open@example.com=yes'],
  }),
  wrong('other-authority', 'of another authority', (field) => ({ by: field.keys.auto })),
  wrong('of-a-listed-key', 'signed with a listed key, which is no authority', (field) => ({
    by: field.keys.reader,
  })),
  wrong('of-itself', 'that its own key signed', (field) => ({ by: field.keys.stranger })),
  wrong('of-another-key', 'for another key than the one that logs in', (field) => ({
    subject: field.keys.auto,
  })),
  {
    id: 'certificate-revoked-serial',
    what: 'a certificate whose serial number is revoked',
    layer: 'certificates',
    attack: async (field) => {
      const options = [...GOOD.slice(0, -1), '4711'];
      if (!IN.test(await login(field, { options })))
        throw new Error('before it is revoked it lets nobody in');
      await field.stage(
        `cp -a ${REVOKED} /root/keys.krl; cat >/root/authority.pub; printf 'serial: 4711\\n' >/root/spec; ssh-keygen -q -k -f /root/new.krl -s /root/authority.pub /root/spec; cat /root/new.krl >${REVOKED}`,
        `${field.authorityLine}\n`,
      );
      try {
        return await login(field, { options });
      } finally {
        await field.stage(`cat /root/keys.krl >${REVOKED}`);
      }
    },
    stopped: DENIED,
    through: IN,
    without: [{ off: 'sshd: revoked keys', so: 'through' }],
  },
  {
    id: 'certificate-revoked-authority',
    what: 'a certificate of a revoked authority',
    layer: 'certificates',
    attack: async (field) => {
      await field.stage(
        `cp -a ${REVOKED} /root/keys.krl; cat >/root/authority.pub; ssh-keygen -q -k -f /root/new.krl /root/authority.pub; cat /root/new.krl >${REVOKED}`,
        `${field.authorityLine}\n`,
      );
      try {
        return await login(field);
      } finally {
        await field.stage(`cat /root/keys.krl >${REVOKED}`);
      }
    },
    stopped: DENIED,
    through: IN,
    without: [{ off: 'sshd: revoked keys', so: 'through' }],
  },
  ...(['admin', 'root'] as const).map((user): Attack => ({
    id: `certificate-as-${user}`,
    what: `a certificate of the authority for ${user}`,
    layer: 'certificates',
    attack: (field) => login(field, { user, principal: user }, 'id'),
    stopped: DENIED,
    through: IN,
    without: [{ off: 'certificates: for everybody', so: 'through' }],
  })),
  ...(['mcp-reader', 'pra-runner'] as const).flatMap((user: Account): readonly Attack[] => [
    {
      id: `certificate-terminal-${user}`,
      what: `a terminal for ${user}, with a certificate that permits everything`,
      layer: 'sshd Match',
      attack: (field) => login(field, { user, options: ['-V', '-1m:+5m'] }, 'version', ['-tt']),
      stopped: /PTY allocation request failed/u,
      through: /^(?![^]*PTY allocation)[^]*(?:mcp-pra 1|refused \S+ LOGIN)/u,
      without: [
        {
          off: 'sshd: Match',
          so: { layer: 'key options', stopped: /PTY allocation request failed/u },
        },
        { off: 'sshd: Match and key options', so: 'through' },
      ],
      last: true, // as the same without a certificate
    },
    {
      id: `certificate-forward-${user}`,
      what: `a listening port for ${user}, with a certificate that permits everything`,
      layer: 'sshd Match',
      attack: (field) =>
        login(field, { user, options: ['-V', '-1m:+5m'] }, '', [
          '-o',
          'ExitOnForwardFailure=yes',
          '-R',
          '0:127.0.0.1:22',
        ]),
      stopped: /^exit 255\n[^]*(?:remote port forwarding failed|forwarding request failed)/u,
      through: /refused \S+ LOGIN|Allocated port/u,
      without: [
        {
          off: 'sshd: Match',
          so: {
            layer: 'key options',
            stopped: /^exit 255\n[^]*(?:remote port forwarding failed|forwarding request failed)/u,
          },
        },
        { off: 'sshd: Match and key options', so: 'through' },
      ],
    },
    {
      id: `certificate-command-${user}`,
      what: `a command for ${user}, with a certificate that permits everything`,
      layer: 'sshd Match',
      attack: (field) => login(field, { user, options: ['-V', '-1m:+5m'] }, 'touch /var/tmp/attack-canary'),
      stopped: /refused (?:wrapper|pra-exec) LINE_FORM/u,
      through: /^CANARY$/mu,
      without: [
        {
          off: 'sshd: Match',
          so: { layer: 'key options', stopped: /refused (?:wrapper|pra-exec) LINE_FORM/u },
        },
        {
          off: 'sshd: Match and key options',
          so: { layer: 'login shell', stopped: /refused (?:wrapper|pra-exec) LOGIN/u },
        },
        { off: 'sshd: open door', so: 'through' },
      ],
    },
  ]),
];
