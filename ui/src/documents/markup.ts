/**
 * Text of the documents that becomes markup in a viewer passes here first, whatever the viewer does
 * with it itself: the policy of these two pages names this one way (`trusted-types default`).
 * Stands in for `isomorphic-dompurify` too, which brings a browser for Node along (vite.config.ts).
 */
import DOMPurify from "dompurify";

interface Policies {
  createPolicy(name: string, rules: { createHTML: (text: string) => string }): unknown;
}

/** The markup without what could act. */
export const sanitize: typeof DOMPurify.sanitize = DOMPurify.sanitize;

const policies = (globalThis as { trustedTypes?: Policies }).trustedTypes;
policies?.createPolicy("default", { createHTML: (text) => DOMPurify.sanitize(text) });
