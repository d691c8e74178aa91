// The tests of ssh-host-keys.test.ts, with the system's ssh.
import { transportUnderTest } from '../support/transport-under-test.ts';

transportUnderTest.name = 'openssh';
await import('./ssh-host-keys.test.ts');
