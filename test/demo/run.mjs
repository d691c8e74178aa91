// `npm run demo`: on a fresh clone, as any user, with Node, npm, python3 and the OpenSSH client.
import { install, need, runUnderNode } from '../support/install.mjs';

need({ python3: 'python3', ssh: 'openssh-client', 'ssh-keygen': 'openssh-client' });
install();
runUnderNode('test/demo/demo.ts', process.argv.slice(2));
