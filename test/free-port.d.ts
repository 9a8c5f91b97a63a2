/** A port of 127.0.0.1 that is free; `beside`: how far above it another must be free, too. */
export function freePort(beside?: number): Promise<number>;
