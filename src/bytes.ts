/** Text and parts in the bytes of a file. */

/** Whether the Latin-1 `text` is at `at`. */
export function hasText(bytes: Uint8Array, at: number, text: string): boolean {
  if (at + text.length > bytes.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** All parts in one array. */
export function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** A port that nobody listens to. */
let sink: MessagePort | undefined;

/**
 * Frees the memory of a buffer now; by itself the collector comes to it some 30 MB later. Nobody else may use the buffer.
 * Before Node.js 21 a buffer has no `transfer`, and a message takes its memory away.
 */
export function free(buffer: ArrayBuffer): void {
  const { transfer } = buffer as { transfer?: (bytes: number) => ArrayBuffer };
  if (transfer) transfer.call(buffer, 0);
  else if (typeof MessageChannel === 'function') {
    sink ??= closedPort();
    sink.postMessage(0, [buffer]);
  }
}

function closedPort(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  return port1;
}
