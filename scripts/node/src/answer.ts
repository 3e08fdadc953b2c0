// Made by generate-types.mjs from the schemas of `python -m scripts.schemas`: do not edit.

export type FeatureName =
  | 'retention_score'
  | 'retention_decline_rate'
  | 'review_lapse_rate'
  | 'session_performance_score'
  | 'validation_score'
  | 'prerequisite_gap_count'
  | 'prerequisite_mastery_gap'
  | 'content_complexity'
  | 'complexity_mismatch'
  | 'historical_struggle_score'
  | 'content_type_mismatch'
  | 'cognitive_load_indicator'
  | 'days_until_exam'
  | 'days_since_last_study'
  | 'workload_level'
  | 'expected_struggle'
  | 'expected_error'
  | 'ability'
  | 'opening_ability'
  | 'ability_gap'
  | 'objective_ability_gap'
  | 'opening_ability_gap'
  | 'objective_struggle_rate'
  | 'objective_overall_struggle_rate'
  | 'objective_error_rate'
  | 'objective_opening_error_rate'
  | 'objective_validation_failure_rate'
  | 'objective_support'
  | 'related_performance'
  | 'predecessors_unseen'
  | 'overall_accuracy'
  | 'recent_accuracy'
  | 'recent_residual'
  | 'steady_residual'
  | 'visit_struggle_share'
  | 'visit_struggle_residual'
  | 'objective_answers'
  | 'objective_visits'
  | 'objective_accuracy'
  | 'objective_recent_accuracy'
  | 'objective_last_visit_accuracy'
  | 'objective_struggle_share'
  | 'objective_wrong_streak'
  | 'objective_residual'
  | 'objective_offset'
  | 'retention_estimate'
  | 'answers_since_objective'
  | 'time_since_objective'
  | 'time_since_any'
  | 'answers_of_history'
  | 'first_card_difficulty';

export interface Answer {
  /**
   * Raised when a field goes or changes its meaning.
   */
  schema_version: 2;
  /**
   * Of the sentences; what is stored is always English.
   */
  language: 'en' | 'de';
  /**
   * Whom the sentences address.
   */
  audience: 'teacher' | 'learner';
  user_id: string;
  objective_id: string;
  /**
   * The moment of the prediction, which sees nothing later.
   */
  as_of: string;
  /**
   * The probability that the learner will struggle with the objective.
   */
  probability: number;
  /**
   * How much the probability can be relied upon.
   */
  confidence: number;
  /**
   * By the levels.
   */
  risk_level: 'LOW' | 'MEDIUM' | 'HIGH';
  /**
   * The thresholds of this deployment.
   */
  levels: {
    /**
     * A risk is MEDIUM from this probability.
     */
    medium_from: number;
    /**
     * A risk is HIGH from this probability.
     */
    high_from: number;
    /**
     * A prediction counts as one of struggle from this probability.
     */
    operating_threshold: number;
    /**
     * The platform's own, or from the file beside the model.
     */
    from: 'default' | 'levels.json';
  };
  /**
   * The probability's lower and upper bound.
   *
   * @minItems 2
   * @maxItems 2
   */
  interval: [number, number];
  /**
   * One sentence: for a teacher the strongest reasons, for a learner what goes well and one next step.
   */
  reasoning: string;
  /**
   * The strongest first; with the intercept they sum to the probability's logit.
   */
  factors: Factor[];
  /**
   * The logit that the factors start from.
   */
  intercept: number;
  /**
   * The probability that the factors start from, which is that of the intercept.
   */
  base: number;
  /**
   * Since the newest prediction of the same that was stored before; null where there is none.
   */
  change: Change | null;
  /**
   * At most 3 changes after which the model would expect less struggle, the largest drop first.
   */
  advice: Advice[];
  /**
   * The model that answered.
   */
  model_version: string;
  /**
   * A trained model, or the rules that answer where there is none.
   */
  source: 'model' | 'rules';
  /**
   * Tables, columns and values that the database lacks.
   */
  missing_sources: string[];
  /**
   * Why the answer rests on default features; empty where it rests on the learner's records.
   */
  degraded: string;
  /**
   * The same for programs.
   */
  degraded_code:
    | ''
    | 'database_unreachable'
    | 'database_late'
    | 'database_broke_off'
    | 'database_locked'
    | 'database_unreadable'
    | 'deadline'
    | 'tracking_off'
    | 'extraction_failed'
    | 'other';
  /**
   * The id under which the prediction of this day is stored.
   */
  prediction_id: string;
  /**
   * The last millisecond of the day that the prediction is about.
   */
  prediction_date: string;
  /**
   * The objective's course.
   */
  topic_id: string | null;
  /**
   * Rows of struggle_indicators.
   */
  indicators: Indicator[];
  /**
   * In a line of a batch with a capacity: whether it is one of the most likely.
   */
  flagged?: boolean;
  features: Features;
  /**
   * Only with --what-if: what was changed, and what the answer was before.
   */
  what_if?: {
    changes: {
      kind: 'master_prerequisite' | 'review_now' | 'next_three_right' | 'lighter_day';
      objective_id: string | null;
    }[];
    /**
     * The changes as rows, as in advice.
     */
    rows: {
      table: string;
      /**
       * The columns of a row to insert, by the app's names.
       */
      insert?: {
        [k: string]: unknown;
      };
      /**
       * The row to change.
       */
      where?: {
        id: string;
      };
      /**
       * The columns to set in that row.
       */
      set?: {
        [k: string]: unknown;
      };
    }[];
    /**
     * The values that were put in the features' place.
     */
    features: {
      [k: string]: number | null;
    };
    /**
     * What the answer says without these changes.
     */
    before: {
      /**
       * The probability that the learner will struggle with the objective.
       */
      probability: number;
      /**
       * How much the probability can be relied upon.
       */
      confidence: number;
      /**
       * By the levels.
       */
      risk_level: 'LOW' | 'MEDIUM' | 'HIGH';
      /**
       * The probability's lower and upper bound.
       *
       * @minItems 2
       * @maxItems 2
       */
      interval: [number, number];
    };
  };
}
export interface Factor {
  feature: FeatureName;
  /**
   * Null where the feature has no data.
   */
  value: number | null;
  /**
   * In logits; positive where the feature raises the risk.
   */
  contribution: number;
  /**
   * Its share of the probability minus the base; these sum to exactly that.
   */
  points: number;
  /**
   * The same as a clause in the answer's language, for its reader.
   */
  text: string;
  /**
   * The prerequisites behind it that are not mastered, at most 20, the least mastered first.
   */
  objectives?: NamedObjective[];
  /**
   * How many they are, where more than are listed.
   */
  objectives_in_all?: number;
  /**
   * The clause in English for a teacher, which is stored; only beside another.
   */
  stored_text?: string;
}
export interface NamedObjective {
  id: string;
  /**
   * Its text, cleaned and cut, or else its id.
   */
  name: string;
  /**
   * The learner's mastery of it.
   */
  mastery: number;
}
export interface Change {
  /**
   * The probability minus the earlier one.
   */
  difference: number;
  /**
   * When the earlier prediction was made.
   */
  since: string;
  /**
   * The earlier prediction.
   */
  probability: number;
  /**
   * The model that made it; null where that is not on record.
   */
  model_version: string | null;
  /**
   * What made the difference, the strongest first; null where another model or unknown features were behind.
   */
  factors: MovedFactor[] | null;
  /**
   * The same as a clause.
   */
  text: string;
  /**
   * The clause in English for a teacher, which is stored; only beside another.
   */
  stored_text?: string;
}
export interface MovedFactor {
  feature: FeatureName;
  /**
   * The feature at that time; null where it had no data.
   */
  before: number | null;
  /**
   * The feature now; null where it has no data.
   */
  value: number | null;
  /**
   * Its share of the difference; these sum to exactly that.
   */
  points: number;
  /**
   * What the feature says now, as a clause.
   */
  text: string;
  /**
   * The clause in English for a teacher, which is stored; only beside another.
   */
  stored_text?: string;
}
export interface Advice {
  kind: 'master_prerequisite' | 'review_now' | 'next_three_right' | 'lighter_day';
  /**
   * The objective to work on; null for lighter_day.
   */
  objective_id: string | null;
  /**
   * The prerequisite's text, cut and on one line.
   */
  objective_name: string | null;
  /**
   * What the model would say after the change.
   */
  probability: number;
  /**
   * By how much that is lower.
   */
  drop: number;
  /**
   * Whether the difference was learned from outcomes, or stated by the platform or its rules.
   */
  basis: 'learned' | 'stated' | 'mixed';
  /**
   * The same as a sentence in the answer's language, for its reader.
   */
  text: string;
  /**
   * The clause in English for a teacher, which is stored; only beside another.
   */
  stored_text?: string;
  /**
   * The change as rows; the database that holds them predicts the probability.
   */
  rows: {
    table: string;
    /**
     * The columns of a row to insert, by the app's names.
     */
    insert?: {
      [k: string]: unknown;
    };
    /**
     * The row to change.
     */
    where?: {
      id: string;
    };
    /**
     * The columns to set in that row.
     */
    set?: {
      [k: string]: unknown;
    };
  }[];
}
export interface Indicator {
  indicator_type:
    'LOW_RETENTION' | 'PREREQUISITE_GAP' | 'COMPLEXITY_MISMATCH' | 'HISTORICAL_STRUGGLE_PATTERN' | 'COGNITIVE_OVERLOAD';
  severity: 'MEDIUM' | 'HIGH';
  context: {
    feature: FeatureName | 'probability';
    value: number | null;
    contribution?: number;
    text?: string;
  };
}
/**
 * What the model judged; a stored prediction keeps it as it is.
 */
export interface Features {
  retention_score: number;
  retention_decline_rate: number;
  review_lapse_rate: number;
  session_performance_score: number;
  validation_score: number;
  prerequisite_gap_count: number;
  prerequisite_mastery_gap: number;
  content_complexity: number;
  complexity_mismatch: number;
  historical_struggle_score: number;
  content_type_mismatch: number;
  cognitive_load_indicator: number;
  days_until_exam: number;
  days_since_last_study: number;
  workload_level: number;
  expected_struggle: number;
  expected_error: number;
  ability: number;
  opening_ability: number;
  ability_gap: number;
  objective_ability_gap: number;
  opening_ability_gap: number;
  objective_struggle_rate: number;
  objective_overall_struggle_rate: number;
  objective_error_rate: number;
  objective_opening_error_rate: number;
  objective_validation_failure_rate: number;
  objective_support: number;
  related_performance: number;
  predecessors_unseen: number;
  overall_accuracy: number;
  recent_accuracy: number;
  recent_residual: number;
  steady_residual: number;
  visit_struggle_share: number;
  visit_struggle_residual: number;
  objective_answers: number;
  objective_visits: number;
  objective_accuracy: number;
  objective_recent_accuracy: number;
  objective_last_visit_accuracy: number;
  objective_struggle_share: number;
  objective_wrong_streak: number;
  objective_residual: number;
  objective_offset: number;
  retention_estimate: number;
  answers_since_objective: number;
  time_since_objective: number;
  time_since_any: number;
  answers_of_history: number;
  first_card_difficulty: number;
  /**
   * The share of the features that rest on data.
   */
  data_quality: number;
  extracted_at: string;
  /**
   * The features without data, which hold their neutral values.
   */
  defaulted: FeatureName[];
  /**
   * Why the answer rests on default features; empty where it rests on the learner's records.
   */
  degraded: string;
  /**
   * The model that answered.
   */
  model_version: string;
  /**
   * A trained model, or the rules that answer where there is none.
   */
  source: 'model' | 'rules';
  /**
   * Those by which the risk level was told.
   */
  levels: {
    /**
     * A risk is MEDIUM from this probability.
     */
    medium_from: number;
    /**
     * A risk is HIGH from this probability.
     */
    high_from: number;
    /**
     * A prediction counts as one of struggle from this probability.
     */
    operating_threshold: number;
    /**
     * The platform's own, or from the file beside the model.
     */
    from: 'default' | 'levels.json';
  };
}

/**
 * The cause for programs; the exit code follows from it.
 */
export type CommandCode =
  | 'not_enough_examples'
  | 'not_proven'
  | 'usage'
  | 'invalid_features'
  | 'unknown_learner'
  | 'unknown_objective'
  | 'unknown_topic'
  | 'database_unavailable'
  | 'write_refused'
  | 'unavailable'
  | 'input_output'
  | 'under_way'
  | 'configuration'
  | 'model_refused'
  | 'model_not_found'
  | 'interrupted'
  | 'bug';
