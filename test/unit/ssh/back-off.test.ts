import { afterEach, describe, expect, it, vi } from 'vitest';
import { PraError } from '../../../src/errors.ts';
import { BackOff } from '../../../src/ssh/back-off.ts';
import { DEFAULT_LIMITS } from '../../../src/ssh/limits.ts';

const limits = { ...DEFAULT_LIMITS, backOffMs: 1_000, backOffMaxMs: 8_000 };
const unreachable = new PraError('UNREACHABLE', { host: 'web1', cause: 'refused' });

const setUp = () => {
  const clock = { time: 1_000_000, now: () => clock.time };
  return { clock, backOff: new BackOff(clock, limits) };
};

afterEach(() => vi.restoreAllMocks());

describe('BackOff', () => {
  it('doubles the pause up to the limit, and ends it with a success', () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const { clock, backOff } = setUp();
    for (const pause of [1_000, 2_000, 4_000, 8_000, 8_000]) {
      backOff.failed(unreachable);
      clock.time += pause - 1;
      expect(() => backOff.check('web1')).toThrow(
        expect.objectContaining({ code: 'UNREACHABLE', values: { host: 'web1', cause: 'backoff' } }),
      );
      clock.time += 1;
      expect(() => backOff.check('web1')).not.toThrow();
    }
    backOff.failed(unreachable);
    backOff.succeeded();
    expect(() => backOff.check('web1')).not.toThrow();
  });

  it('waits between half and all of the pause', () => {
    const { clock, backOff } = setUp();
    vi.spyOn(Math, 'random').mockReturnValue(0);
    backOff.failed(unreachable);
    clock.time += 499;
    expect(() => backOff.check('web1')).toThrow(expect.objectContaining({ code: 'UNREACHABLE' }));
    clock.time += 1;
    expect(() => backOff.check('web1')).not.toThrow();
  });

  it('repeats AUTH_REFUSED instead of knocking again', () => {
    const { backOff } = setUp();
    backOff.failed(new PraError('AUTH_REFUSED', { host: 'web1', account: 'reader' }));
    expect(() => backOff.check('web1')).toThrow(expect.objectContaining({ code: 'AUTH_REFUSED' }));
  });

  it('ends with another key after AUTH_REFUSED, and with nothing else', () => {
    const { backOff } = setUp();
    backOff.failed(new PraError('AUTH_REFUSED', { host: 'web1', account: 'reader' }));
    backOff.keyChanged();
    expect(() => backOff.check('web1')).not.toThrow();
    backOff.failed(unreachable);
    backOff.keyChanged();
    expect(() => backOff.check('web1')).toThrow(expect.objectContaining({ code: 'UNREACHABLE' }));
  });

  it.each(['HOST_KEY_UNKNOWN', 'KEY_PASSPHRASE', 'FILE_MODE'] as const)('does not pause after %s', (code) => {
    const { backOff } = setUp();
    backOff.failed(new PraError(code));
    expect(() => backOff.check('web1')).not.toThrow();
  });

  it('does not shut a host out when the clock is set back', () => {
    const { clock, backOff } = setUp();
    backOff.failed(unreachable);
    clock.time -= 3_600_000;
    expect(() => backOff.check('web1')).not.toThrow();
  });
});
