// The tests of ssh-channel.test.ts, with the system's ssh.
import { transportUnderTest } from '../support/transport-under-test.ts';

transportUnderTest.name = 'openssh';
await import('./ssh-channel.test.ts');
