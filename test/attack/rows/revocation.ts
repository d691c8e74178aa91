import { fingerprint } from '../../../src/request/sshsig.ts';
import { publicKey } from '../../lab/provisioned.ts';
import type { Attack } from '../attack.ts';
import { told, type Account } from '../field.ts';

// A key is revoked while the thief is connected with it. sshd asks its lists only at a login.

const FILES = ['authorized_keys', 'revoked_keys', 'revoked_signers', 'key-expiry', 'allowed_signers'];

const openConnection = (account: Account): Attack => ({
  id: `revoked-while-connected-${account}`,
  what: `a request as ${account} on a connection that was open before its key was revoked`,
  layer: 'revocation',
  attack: async (field) => {
    const line = publicKey(field.keys.stranger);
    const word = account === 'mcp-reader' ? 'uptime' : 'version';
    const name = fingerprint(Buffer.from(line.split(' ')[1] ?? '', 'base64'));
    await field.hangUp(); // the connections of the other keys end as well
    await field.stage(
      `rm -rf /root/lists; mkdir /root/lists; cd /etc/mcp-pra; for one in ${FILES.join(' ')}; do [ ! -e $one ] || cp -a $one /root/lists/; done
sed -n "1s|ssh-ed25519 .*|${line}|p" authorized_keys/${account} >>authorized_keys/${account}`,
    );
    try {
      const before = told(await field.ask(account, word, '', [], field.keys.stranger));
      if (!/mcp-pra 1/u.test(before)) throw new Error(`the key opens nothing before: ${before}`);
      await field.stage(`/usr/local/lib/mcp-pra/revoke-keys --key ${name}`);
      const after = told(await field.ask(account, word, '', [], field.keys.stranger));
      const mine = account === 'mcp-reader' ? await field.read(word) : await field.act(word);
      if (!mine.stdout.startsWith('mcp-pra 1'))
        throw new Error(`the other keys are shut out: ${mine.stderr}`);
      return after;
    } finally {
      await field.hangUp();
      await field.stage(
        'cd /etc/mcp-pra; rm -f disabled; for one in /root/lists/*; do if [ -d $one ]; then for key in $one/*; do cat $key >${one##*/}/${key##*/}; done; else cat $one >${one##*/}; fi; done',
      );
    }
  },
  stopped: /^exit 255\n/u,
  through: /mcp-pra 1/u,
  without: [{ off: 'revocation: connections', so: 'through' }],
});

export const revocation: readonly Attack[] = [openConnection('mcp-reader'), openConnection('pra-runner')];
