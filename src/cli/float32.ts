/** Numbers in JSON. */

/**
 * The number in nine digits: as many as single precision needs, so that reading it back as a float32 gives the same bits.
 * Printed as they are, doubles would take seventeen.
 */
export function nineDigits(value: number): number {
  return Number(value.toPrecision(9));
}
