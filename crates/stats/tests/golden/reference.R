# Golden values from R: Holm, exact tests with ties and zeros, many pairs, Friedman, the studentized range, paired t intervals.
#
#     apt-get install r-base-core r-cran-exactranktests && Rscript reference.R > reference_r.json
suppressPackageStartupMessages(library(exactRankTests))
set.seed(20240602)
num <- function(x) paste0("[", paste(sprintf("%.17g", x + 0), collapse = ","), "]")
one <- function(x) sprintf("%.17g", x)

holm_cases <- list(c(0.01, 0.04, 0.03, 0.005), c(0.5, 0.9, 0.2), c(0.02, 0.02, 0.02, 0.6, 0.001), c(0.0625, 0.0625, 1, 0.125), runif(12) / 4)
holm <- sapply(holm_cases, function(p) sprintf('{"p":%s,"holm":%s}', num(p), num(p.adjust(p, "holm"))))

pair_cases <- list(
  list("zeros and ties", c(2, -1, 0, 3, 3, -3, 0, 5, 1, 1)),
  list("nine", 4 * c(0.25, -0.5, 1.5, 2, 0.75, 1, -0.25, 3, 1.25)),
  list("twenty-five whole", round(rnorm(25, 1.2, 4))),
  list("thirty whole", round(rnorm(30, 1, 5))))
pairs <- sapply(pair_cases, function(case) {
  d <- case[[2]]
  w <- wilcox.exact(d, exact = TRUE)          # drops zeros, counts every pattern of the midranks
  s <- perm.test(d, exact = TRUE)   # one sample, every sign pattern; whole numbers only: it rounds others
  t <- t.test(d)
  sprintf('{"name":"%s","values":%s,"wilcoxon":%s,"sign_flip":%s,"mean":%s,"ci95":%s}',
          case[[1]], num(d), one(w$p.value), one(s$p.value), one(unname(t$estimate)), num(t$conf.int))
})

rows <- matrix(round(rnorm(28), 1), nrow = 7)
f <- friedman.test(rows)
friedman <- sprintf('{"rows":[%s],"chi":%s,"p":%s}', paste(apply(rows, 1, num), collapse = ","), one(unname(f$statistic)), one(f$p.value))
tukey <- sapply(c(2, 3, 5, 8, 10, 20), function(k) sprintf('{"k":%d,"q95":%s,"q90":%s}', k, one(qtukey(.95, k, Inf)), one(qtukey(.9, k, Inf))))

cat(sprintf('{"origin":"%s, exactRankTests %s",\n"holm":[%s],\n"pairs":[%s],\n"friedman":%s,\n"qtukey":[%s]}\n',
            R.version.string, packageVersion("exactRankTests"),
            paste(holm, collapse = ",\n"), paste(pairs, collapse = ",\n"), friedman, paste(tukey, collapse = ",")))
