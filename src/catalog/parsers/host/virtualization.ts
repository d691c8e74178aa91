import type { FactParser } from '../parser.ts';
import { dmiOf } from './dmi.ts';

/** `any`, `vm`, `container`: systemd-detect-virt(1), which says none and ends with 1 where there is none. */
export const virtualization: FactParser = (sections) => {
  const said = (section: string): string | undefined =>
    /^[a-z0-9_-]{1,40}$/u.exec(sections.get(section)?.trim() ?? '')?.[0];
  const [technology, vm, container] = [said('any'), said('vm'), said('container')];
  const dmi = dmiOf(sections.get('dmi'));
  const isKnown = vm !== undefined && container !== undefined;
  return {
    kind: isKnown ? (container !== 'none' ? 'container' : vm !== 'none' ? 'vm' : 'physical') : undefined,
    technology,
    vm,
    container,
    vendor: dmi.get('sys_vendor'),
    product: dmi.get('product_name'),
  };
};
