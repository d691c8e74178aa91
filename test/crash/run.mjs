#!/usr/bin/env node
// Entry of `npm run bench:crash`: brings what a fresh clone lacks, builds the program, then runs the harness (root, the lab).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { install, node, root, runUnderNode } from '../support/install.mjs';

install();
const built = spawnSync(node, [join(root, 'test/support/build.mjs')], { stdio: 'inherit' });
if (built.status !== 0) process.exit(built.status ?? 1);
runUnderNode('test/crash/bench.ts', process.argv.slice(2));
