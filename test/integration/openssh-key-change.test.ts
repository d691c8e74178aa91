// The tests of ssh-key-change.test.ts, with the system's ssh.
import { transportUnderTest } from '../support/transport-under-test.ts';

transportUnderTest.name = 'openssh';
await import('./ssh-key-change.test.ts');
