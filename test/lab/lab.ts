// The lab's one door: what tests import, and the command behind `npm run lab`.
import { runCommand } from './cli.ts';

export type { LabHost } from './host.ts';
export { labUp, type Lab } from './lab-life.ts';
export { labAvailable } from './packages.ts';
export { runPlaybook } from './playbook.ts';
export { ssh } from './ssh.ts';

if (import.meta.main) process.exitCode = await runCommand(process.argv.slice(2));
