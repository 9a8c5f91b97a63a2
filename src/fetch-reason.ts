/** Why a `fetch` failed: Node says only "fetch failed" itself, and the reason in its cause, of several addresses by a code alone. */
export function fetchReason(error: unknown): string {
  const { message, cause } = (error ?? {}) as { message?: string; cause?: { message?: string; code?: string } };
  return cause?.message || cause?.code || (message ?? String(error));
}
