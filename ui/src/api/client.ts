/** The API of the gateway that served this page: one call, and what can come of it. */

export interface Session {
  readonly token: string;
  /** Of a service token only, which acts for any store. */
  readonly store?: string;
}

export type Trouble = "signed-out" | "forbidden" | "refused" | "missing" | "busy" | "unreachable" | "broken";

/** Why a call came to nothing. The message is for the person at the page. */
export class ApiError extends Error {
  readonly trouble: Trouble;
  readonly status: number;

  constructor(trouble: Trouble, message: string, status = 0) {
    super(message);
    this.trouble = trouble;
    this.status = status;
  }
}

export interface Options {
  readonly method?: string;
  readonly body?: unknown;
  readonly accept?: string;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal | undefined;
}

export class Api {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The answer, if it is one; else throws `ApiError`. `path` is relative to the page. */
  async call(path: string, options: Options = {}): Promise<Response> {
    const headers = new Headers(options.headers);
    headers.set("Authorization", `Bearer ${this.#session.token}`);
    headers.set("Accept", options.accept ?? "application/hal+json, application/json");
    if (this.#session.store) headers.set("Tallyport-Store", this.#session.store);
    const request: RequestInit = {
      method: options.method ?? "GET",
      headers,
      cache: "no-store",
      credentials: "omit",
    };
    if (options.body !== undefined) {
      headers.set("Content-Type", "application/json");
      request.body = JSON.stringify(options.body);
    }
    if (options.signal) request.signal = options.signal;
    let response: Response;
    try {
      response = await fetch(path, request);
    } catch (error) {
      if (options.signal?.aborted) throw error;
      throw new ApiError("unreachable", "Tallyport does not answer. Is it running, and is the network up?");
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }

  /** The JSON of an answer that has no amounts in it. */
  async json<T>(path: string, options: Options = {}): Promise<T> {
    return (await (await this.call(path, options)).json()) as T;
  }
}

interface ErrorBody {
  readonly error?: string;
  readonly _embedded?: { readonly "fx:errors"?: readonly { readonly message: string }[] };
}

async function refusal(response: Response): Promise<ApiError> {
  const messages = told(await response.json().catch(() => null));
  const message = messages.join("; ") || `It answered ${response.status}.`;
  const { status } = response;
  if (status === 401) return new ApiError("signed-out", message, status);
  if (status === 403) return new ApiError("forbidden", message, status);
  if (status === 404) return new ApiError("missing", message, status);
  if (status === 429 || status === 503 || status === 504) return new ApiError("busy", message, status);
  return new ApiError(status >= 500 ? "broken" : "refused", message, status);
}

function told(body: ErrorBody | null): string[] {
  const listed = body?._embedded?.["fx:errors"]?.map((one) => one.message);
  return listed ?? (body?.error ? [body.error] : []);
}

/** Whether an error is only that we did not wait for the answer. */
export function isAborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
