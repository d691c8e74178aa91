#!/usr/bin/env node
// The way in: is this Node good enough, what was asked for, and how to stop. Everything heavy is imported when it is needed.
import { readFileSync } from 'node:fs';
import process from 'node:process';

/** Node-API 10 (Node.js 22.14): with less, better-sqlite3 kills the process without a word. */
const NEEDED_NAPI = 10;

const main = async (): Promise<number> => {
  if (Number(process.versions['napi']) < NEEDED_NAPI) {
    // Said without the CLI's own screens: those may need a newer Node too.
    const { PraError } = await import('./errors.ts');
    const { message, hint, layer, code, exit } = new PraError('NODE_TOO_OLD', {
      version: process.versions.node,
    });
    process.stderr.write(`${message}\nrule: ${layer} ${code}\nnext: ${hint}\n`);
    return exit;
  }
  const [{ compose }, { runCli }, { levelFrom, openLog }] = await Promise.all([
    import('./app.ts'),
    import('./cli/run-cli.ts'),
    import('./log.ts'),
  ]);
  const isServer = process.argv[2] === 'serve';
  const log = openLog(levelFrom(process.env, isServer ? 'info' : 'silent'));
  const stop = stopOnSignals(isServer);
  return runCli(process.argv.slice(2), process, compose(versionOfPackage(), log), stop);
};

/**
 * The first signal asks what is under way to end, a second one does not ask. The server has nothing to ask: its input
 * ends when the client goes, and a signal means now. What the process leaves is a database that is always consistent.
 */
const stopOnSignals = (atOnce: boolean): AbortSignal => {
  const stop = new AbortController();
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      if (atOnce || stop.signal.aborted) process.exit(code);
      stop.abort();
    });
  }
  return stop.signal;
};

const versionOfPackage = (): string => {
  const { version }: { version: string } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  );
  return version;
};

// Somebody who reads only the beginning (| head) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

// Set, not called: what was written to a pipe is sent before the process ends.
process.exitCode = await main();
