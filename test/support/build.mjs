// Bundles src/main.ts into dist/main.js. ssh2 and the MCP SDK stay lazy chunks: that halves the start (docs/decisions).
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { install, root } from './install.mjs';

install();
const { build } = await import('esbuild');
const outdir = join(root, 'dist');
rmSync(outdir, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: ['src/main.ts'],
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.14',
  external: ['better-sqlite3', 'cpu-features', './crypto/build/Release/sshcrypto.node', '*.node'],
  // ssh2 and pino are CommonJS: give them a require and a __dirname of their own (ssh2's WebAssembly part wants one).
  banner: {
    js: "import { createRequire as __cr } from 'node:module'; const require = __cr(import.meta.url); const { dirname: __dirname, filename: __filename } = import.meta;",
  },
  legalComments: 'none',
  logLevel: 'warning',
});
chmodSync(join(outdir, 'main.js'), 0o755);
