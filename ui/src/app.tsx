/** The page: signed in or not, and which of its two sides. */

import { useCallback, useMemo, useState } from "preact/hooks";

import { Api, ApiError, type Session } from "./api/client.ts";
import { findStore, listRegisters, type Register, type Store } from "./api/store.ts";
import { NumbersPage } from "./numbers/numbers_page.tsx";
import { Frame } from "./parts/frame.tsx";
import { Failure, Loading } from "./parts/states.tsx";
import { useAnswer } from "./parts/use_answer.ts";
import { ReportsPage } from "./reports/reports_page.tsx";
import { SignIn } from "./sign_in.tsx";
import * as sessions from "./state/session.ts";
import { useView } from "./state/view.ts";

/** `over`: the session ended without the person's doing. */
interface State {
  readonly session: Session | null;
  readonly over: boolean;
}

export function App() {
  const [{ session, over }, setState] = useState<State>(() => ({ session: sessions.load(), over: false }));
  const enter = useCallback((entered: Session) => {
    sessions.save(entered);
    setState({ session: entered, over: false });
  }, []);
  const leave = useCallback((ended: boolean) => {
    sessions.forget();
    setState({ session: null, over: ended });
  }, []);
  if (session === null) return <SignIn over={over} onEnter={enter} />;
  return <SignedIn key={session.token} session={session} onLeave={leave} />;
}

interface Known {
  readonly store: Store;
  readonly registers: readonly Register[];
}

function SignedIn({ session, onLeave }: { session: Session; onLeave: (over: boolean) => void }) {
  const [view, change] = useView();
  const api = useMemo(() => new Api(session), [session]);
  const fail = useCallback(
    (error: unknown) => {
      if (error instanceof ApiError && error.trouble === "signed-out") onLeave(true);
    },
    [onLeave],
  );
  const load = useCallback(async (): Promise<Known> => {
    const [store, registers] = await Promise.all([findStore(api), listRegisters(api)]);
    return { store, registers };
  }, [api]);
  const { answer, error, again } = useAnswer(load, fail);
  const parts = { api, view, change, onError: fail };
  return (
    <Frame store={answer?.store ?? null} view={view} onLeave={() => onLeave(false)}>
      {answer ? (
        view.page === "reports" ? (
          <ReportsPage {...parts} {...answer} />
        ) : (
          <NumbersPage {...parts} {...answer} />
        )
      ) : error ? (
        <Failure error={error} onAgain={again} />
      ) : (
        <Loading what="the store" />
      )}
    </Frame>
  );
}
