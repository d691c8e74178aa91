// What mcp-wrapper adds to a bare command: `node test/bench/wrapper-overhead.mjs [calls]`. Prints medians and their ratio.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const calls = Number(process.argv[2] ?? 200);
const time = (program, args, env) => {
  const began = process.hrtime.bigint();
  const { status } = spawnSync(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
  return Number(process.hrtime.bigint() - began) / 1e6;
};
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const root = mkdtempSync(join(tmpdir(), 'mcp-pra-bench-'));
try {
  const prefix = join(root, 'prefix');
  const tables = join(root, 'tables');
  mkdirSync(join(tables, 'verbs'), { recursive: true });
  writeFileSync(join(tables, 'DIGESTS'), '');
  const digest = '0'.repeat(64);
  writeFileSync(join(tables, 'verbs/bare'), `v1\t${digest}\nlimit\t5\t65536\nrun\tout\t/usr/bin/true\n`);
  const install = resolve(import.meta.dirname, '../../target-scripts/install-target');
  const options = {
    '--prefix': prefix,
    '--tables': tables,
    '--launcher': 'direct',
    '--log-socket': join(root, 'log'),
  };
  execFileSync('python3', [
    install,
    '--owner-uid',
    String(process.getuid()),
    ...Object.entries(options).flat(),
  ]);
  const wrapper = join(prefix, 'bin/mcp-wrapper');

  const bare = [];
  const wrapped = [];
  for (let call = 0; call < calls; call += 1) {
    rmSync(join(prefix, 'run/reader/rate'), { force: true });
    bare.push(time('/usr/bin/true', [], {}));
    wrapped.push(time(wrapper, ['-c', wrapper], { SSH_ORIGINAL_COMMAND: 'bare' }));
  }
  const [one, other] = [median(bare), median(wrapped)];
  process.stdout.write(
    `bare ${one.toFixed(2)} ms, wrapped ${other.toFixed(2)} ms, over ${(other - one).toFixed(2)} ms (budget 8), ratio ${(other / one).toFixed(1)}\n`,
  );
} finally {
  rmSync(root, { recursive: true, force: true });
}
