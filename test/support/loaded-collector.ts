import { spawnSync } from 'node:child_process';

const PROGRAM = `
import importlib.machinery, importlib.util, json, sys
loader = importlib.machinery.SourceFileLoader('collector', sys.argv[1])
collector = importlib.util.module_from_spec(importlib.util.spec_from_loader('collector', loader))
loader.exec_module(collector)
print(json.dumps(eval(sys.argv[2], {'collector': collector, 'text': sys.stdin.read()})))
`;

/**
 * Loads an installed collector without running it; what a Python expression over `collector` and `text` is. Throws with what Python
 * said when it fails.
 */
export const madeByCollector = (path: string, expression: string, text: string): unknown => {
  const { status, stdout, stderr } = spawnSync(
    '/usr/bin/python3',
    ['-IBS', '-c', PROGRAM, path, expression],
    {
      input: text,
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as unknown;
};
