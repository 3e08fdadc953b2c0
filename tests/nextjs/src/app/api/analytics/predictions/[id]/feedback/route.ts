// POST {actualStruggle, feedbackType?, comments?}: what the learner says came of one prediction.
import { prisma } from '@/lib/prisma';
import { isId } from '@/lib/struggle-predictor';

const FEEDBACK_TYPES = ['HELPFUL', 'NOT_HELPFUL', 'INACCURATE'] as const;
const LONGEST_COMMENT = 2_000;

type FeedbackType = (typeof FEEDBACK_TYPES)[number];

interface Feedback {
  actualStruggle: boolean;
  feedbackType: FeedbackType | null;
  comments: string | null;
}

export async function POST(request: Request, context: { params: Promise<{ id: string }> }): Promise<Response> {
  const { id } = await context.params;
  const feedback = read(await request.json().catch(() => null));
  if (feedback === null || !isId(id)) {
    return refuse(400, 'invalid_feedback', 'actualStruggle must be true or false');
  }
  const prediction = await prisma.strugglePrediction.findUnique({ where: { id } });
  if (prediction === null) return refuse(404, 'unknown_prediction', 'there is no such prediction');

  const said = prediction.predictedStruggleProbability >= 0.5;
  const stored = await prisma.predictionFeedback.create({
    data: {
      predictionId: id,
      userId: prediction.userId,
      feedbackType: feedback.feedbackType ?? (said === feedback.actualStruggle ? 'HELPFUL' : 'INACCURATE'),
      actualStruggle: feedback.actualStruggle,
      comments: feedback.comments,
    },
  });
  return Response.json(stored, { status: 201 });
}

function read(sent: unknown): Feedback | null {
  if (typeof sent !== 'object' || sent === null) return null;
  const { actualStruggle, feedbackType = null, comments = null } = sent as Record<string, unknown>;
  if (typeof actualStruggle !== 'boolean') return null;
  if (feedbackType !== null && !FEEDBACK_TYPES.includes(feedbackType as FeedbackType)) return null;
  if (comments !== null && (typeof comments !== 'string' || comments.length > LONGEST_COMMENT)) return null;
  if (typeof comments === 'string' && comments.includes('\0')) return null; // PostgreSQL's text holds none
  return { actualStruggle, feedbackType: feedbackType as FeedbackType | null, comments };
}

function refuse(status: number, code: string, message: string): Response {
  return Response.json({ error: { code, message } }, { status });
}
