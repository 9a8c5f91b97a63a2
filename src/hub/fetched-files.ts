export const openFetched = undefined as never;
