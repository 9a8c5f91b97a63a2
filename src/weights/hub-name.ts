/**
 * Whether a model's name is one of a hub rather than a path: `org/name`, with or without a prefix (`hf-hub:`), or an
 * address. A path such as `models/clip` looks the same: ask only when there is no such folder.
 */
export function looksLikeHubName(name: string): boolean {
  if (/^(https?|hf|hf-hub):/.test(name)) return true;
  return /^\w[\w.-]*\/\w[\w.-]*$/.test(name);
}
