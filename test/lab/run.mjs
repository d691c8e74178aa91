#!/usr/bin/env node
// Entry of `npm run lab …`. Plain JavaScript, so that it starts on the machine's own Node (20 is enough) before
// anything is installed; the lab itself is TypeScript and runs on the Node of the project's dev dependencies.
import { install, runUnderNode } from '../support/install.mjs';

install();
runUnderNode('test/lab/lab.ts', process.argv.slice(2));
