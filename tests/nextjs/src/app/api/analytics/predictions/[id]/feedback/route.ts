// POST {actualStruggle, feedbackType?, comments?}: what the learner says came of one prediction. A second word on the
// same prediction takes the first one's place.
import { refuse, written } from '@/lib/guard';
import { prisma } from '@/lib/prisma';
import { isId } from '@/lib/struggle-predictor';

const FEEDBACK_TYPES = ['HELPFUL', 'NOT_HELPFUL', 'INACCURATE', 'INTERVENTION_GOOD', 'INTERVENTION_BAD'] as const;
const LONGEST_COMMENT = 2_000;

type FeedbackType = (typeof FEEDBACK_TYPES)[number];

interface Feedback {
  actualStruggle: boolean;
  feedbackType: FeedbackType | null;
  comments: string | null;
}

export async function POST(request: Request, context: { params: Promise<{ id: string }> }): Promise<Response> {
  const asked = await written(request);
  if (asked instanceof Response) return asked;
  const { id } = await context.params;
  const feedback = read(asked.sent);
  if (feedback === null || !isId(id)) {
    return refuse(400, 'invalid_feedback', 'actualStruggle must be true or false');
  }
  const prediction = await prisma.strugglePrediction.findUnique({ where: { id } });
  if (prediction === null || !asked.session.maySee(prediction.userId)) {
    return refuse(404, 'unknown_prediction', 'there is no such prediction'); // whether it exists is nobody else's business
  }

  const said = prediction.predictedStruggleProbability >= 0.5;
  const word = {
    feedbackType: feedback.feedbackType ?? (said === feedback.actualStruggle ? 'HELPFUL' : 'INACCURATE'),
    actualStruggle: feedback.actualStruggle,
    comments: feedback.comments,
    submittedAt: new Date(),
  };
  const wordId = `word-on-${id}`; // one word per prediction, which is one learner's
  const stored = await prisma.predictionFeedback.upsert({
    where: { id: wordId },
    create: { id: wordId, predictionId: id, userId: prediction.userId, ...word },
    update: word,
  });
  return Response.json(stored, { status: 201 });
}

function read(sent: unknown): Feedback | null {
  if (typeof sent !== 'object' || sent === null) return null;
  const { actualStruggle, feedbackType = null, comments = null } = sent as Record<string, unknown>;
  if (typeof actualStruggle !== 'boolean') return null;
  if (feedbackType !== null && !FEEDBACK_TYPES.includes(feedbackType as FeedbackType)) return null;
  if (comments !== null && (typeof comments !== 'string' || comments.length > LONGEST_COMMENT)) return null;
  // PostgreSQL's text holds no NUL, and no half of a character.
  if (typeof comments === 'string' && (comments.includes('\0') || !comments.isWellFormed())) return null;
  return { actualStruggle, feedbackType: feedbackType as FeedbackType | null, comments };
}
