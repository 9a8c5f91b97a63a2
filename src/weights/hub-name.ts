/**
 * Whether a name is that of a model on a hub, `org/name` or `hf-hub:org/name`. A relative path such as `models/clip` looks
 * the same: ask only where no model was found.
 */
export function looksLikeHubName(name: string): boolean {
  return /^((hf-hub|hf):\S+|\w[\w.-]*\/\w[\w.-]*)$/.test(name);
}
