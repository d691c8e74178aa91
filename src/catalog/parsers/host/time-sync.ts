import { decimalOf, integerOf, outputLines } from '../../output-lines.ts';
import { utcTime } from '../../utc-time.ts';
import type { FactParser } from '../parser.ts';

/**
 * `timedated`: timedatectl show; `chrony`: chronyc -c tracking, comma separated in the order of its report (chronyc(1)): reference
 * id, address, stratum, time of the reference, correction, last offset, RMS offset, frequency, residual, skew, root delay, root
 * dispersion, update interval, leap status.
 */
export const timeSync: FactParser = (sections) => {
  const said = new Map(
    outputLines(sections.get('timedated') ?? '').map((line) => {
      const equals = line.indexOf('=');
      return [line.slice(0, equals), line.slice(equals + 1)] as const;
    }),
  );
  const cells = (sections.get('chrony')?.trim() ?? '').split(',');
  // `506 Cannot talk to daemon` is one cell.
  const tracking = cells.length === 14 ? cells : [];
  const [, address, stratum, reference, correction] = tracking;
  const heard = decimalOf(reference);
  return {
    synchronized: yesNo(said.get('NTPSynchronized')),
    service_enabled: yesNo(said.get('NTP')),
    rtc_in_local_time: yesNo(said.get('LocalRTC')),
    timezone: said.get('Timezone'),
    time: utcTime(integerOf(sections.get('clock')?.trim())),
    source: address === undefined ? undefined : address || 'none',
    stratum: integerOf(stratum),
    offset_seconds: decimalOf(correction),
    last_update: heard === undefined || heard <= 0 ? undefined : utcTime(heard),
    root_dispersion_seconds: decimalOf(tracking[11]),
    leap_status: tracking[13]?.trim(),
  };
};

const yesNo = (text: string | undefined): boolean | undefined =>
  text === 'yes' ? true : text === 'no' ? false : undefined;
