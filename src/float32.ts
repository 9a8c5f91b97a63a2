/** Numbers in JSON. */

/**
 * The number rounded to nine significant digits, which is enough to restore a float32 bit for bit. Printed as a double, it
 * would take up to seventeen.
 */
export function nineDigits(value: number): number {
  return Number(value.toPrecision(9));
}
