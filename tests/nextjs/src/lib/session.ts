// Who is signed in, and whom that person may see. Fill this in with your application's own sign-in.

/** What the signed-in person may do. */
export interface Session {
  /** Whether the person may see this learner's predictions, ask for new ones, and say how they turned out. */
  maySee(userId: string): boolean;
  /** Whether the person may see figures over all learners, and the list of learners. */
  maySeeEverybody: boolean;
}

/** The session that a request's headers (its cookie, above all) belong to; null where nobody is signed in. */
export async function sessionOf(_headers: Headers): Promise<Session | null> {
  return null; // until this is filled in, every page and route answers 403
}
