// Who may ask for a learner's predictions. Fill this in with your application's own sign-in.

/** Whether whoever sent the request may see predictions about this learner. */
export async function mayPredict(request, userId) {
  // For example: const session = await getServerSession(request); return session?.user?.id === userId;
  void request;
  void userId;
  return false; // until this is filled in, the route answers 403
}
