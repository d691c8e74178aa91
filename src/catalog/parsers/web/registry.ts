import type { FactParser } from '../parser.ts';
import { keepalivedVrrp } from './keepalived-vrrp.ts';
import { phpFpmStatus } from './php-fpm-status.ts';

/** Parsers of diagnostics about web, by the name a definition gives. */
export const webParsers: readonly (readonly [name: string, parser: FactParser])[] = [
  ['keepalived_vrrp', keepalivedVrrp],
  ['php_fpm_status', phpFpmStatus],
];
