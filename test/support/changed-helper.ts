import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { spawnSync } from 'node:child_process';

const HELPERS = resolve(import.meta.dirname, '../../target-scripts/helpers');

/** What a helper left when it ended. */
export interface HelperEnded {
  readonly status: number | null;
  readonly stdout: string;
}

/**
 * Helpers of target-scripts with some of their constants changed: a program or a file that a test has written in place of the host's, or a
 * limit that nobody would wait for made small. Nothing else of them changes.
 */
export class ChangedHelpers {
  readonly folder = mkdtempSync(join(tmpdir(), 'mcp-pra-changed-helper-'));
  #count = 0;

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A file below the folder; its path. */
  file(content: string | Buffer, mode = 0o644): string {
    this.#count += 1;
    const path = join(this.folder, `file-${String(this.#count)}`);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }

  /** A program that runs these lines of a shell; its path. */
  program(lines: string): string {
    return this.file(`#!/bin/sh\n${lines}\n`, 0o755);
  }

  /** The helper with `NAME = value` lines replaced (values as Python writes them); throws for a constant that it does not have. */
  helper(name: string, constants: Readonly<Record<string, string>>): string {
    let source = readFileSync(join(HELPERS, name), 'utf8');
    for (const [constant, value] of Object.entries(constants)) {
      const line = new RegExp(`^${constant} = .*$`, 'mu');
      if (!line.test(source)) throw new Error(`${name} has no constant ${constant}`);
      source = source.replace(line, () => `${constant} = ${value}`);
    }
    return this.file(source, 0o755);
  }

  /** Runs a helper, changed as above, to its end. */
  run(name: string, constants: Readonly<Record<string, string>>, args: readonly string[]): HelperEnded {
    const { status, stdout } = spawnSync(this.helper(name, constants), args, {
      encoding: 'utf8',
      env: {},
      maxBuffer: 1 << 26,
    });
    return { status, stdout };
  }
}

/** A text as Python writes it. */
export const python = (text: string): string => JSON.stringify(text);
