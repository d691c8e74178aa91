import { outputLines } from '../../output-lines.ts';

/** Values of /sys/class/dmi/id by file name, from `grep -H .`; what makers leave unfilled is left out. */
export const dmiOf = (text: string | undefined): ReadonlyMap<string, string> =>
  new Map(
    outputLines(text ?? '')
      .map((line) => /^\/sys\/class\/dmi\/id\/([a-z_]{1,40}):(.*)$/u.exec(line))
      .filter((found) => found !== null)
      .map(([, name = '', value = '']) => [name, value.trim()] as const)
      .filter(
        ([, value]) => !/^(?:|to be filled by o\.?e\.?m\.?|default string|not specified)$/iu.test(value),
      ),
  );
